/* The globals that a checkpoint may name: those that torch.save, torchao 0.11 and torchao 0.18 write. None is ever
 * called. */
#include "conformance/models/pickle.h"

static const sb_global table[] = {
    {"collections", "OrderedDict", SB_GLOBAL_DICT, -1, NULL},
    {"torch", "BFloat16Storage", SB_GLOBAL_STORAGE, SB_BF16, NULL},
    {"torch", "FloatStorage", SB_GLOBAL_STORAGE, SB_F32, NULL},
    {"torch", "HalfStorage", SB_GLOBAL_STORAGE, SB_F16, NULL},
    {"torch", "DoubleStorage", SB_GLOBAL_STORAGE, SB_F64, NULL},
    {"torch", "CharStorage", SB_GLOBAL_STORAGE, SB_I8, NULL},
    {"torch", "ByteStorage", SB_GLOBAL_STORAGE, SB_U8, NULL},
    {"torch", "ShortStorage", SB_GLOBAL_STORAGE, SB_I16, NULL},
    {"torch", "IntStorage", SB_GLOBAL_STORAGE, SB_I32, NULL},
    {"torch", "LongStorage", SB_GLOBAL_STORAGE, SB_I64, NULL},
    {"torch", "BoolStorage", SB_GLOBAL_STORAGE, SB_BOOL, NULL},
    {"torch.storage", "UntypedStorage", SB_GLOBAL_STORAGE, SB_U8, NULL},
    {"torch", "bfloat16", SB_GLOBAL_DTYPE, SB_BF16, NULL},
    {"torch", "float32", SB_GLOBAL_DTYPE, SB_F32, NULL},
    {"torch", "float16", SB_GLOBAL_DTYPE, SB_F16, NULL},
    {"torch", "float64", SB_GLOBAL_DTYPE, SB_F64, NULL},
    {"torch", "float8_e4m3fn", SB_GLOBAL_DTYPE, SB_E4M3, NULL},
    {"torch", "float8_e5m2", SB_GLOBAL_DTYPE, SB_E5M2, NULL},
    {"torch", "int4", SB_GLOBAL_DTYPE, SB_I4, NULL},
    {"torch", "int8", SB_GLOBAL_DTYPE, SB_I8, NULL},
    {"torch", "uint8", SB_GLOBAL_DTYPE, SB_U8, NULL},
    {"torch", "int32", SB_GLOBAL_DTYPE, SB_I32, NULL},
    {"torch", "int64", SB_GLOBAL_DTYPE, SB_I64, NULL},
    {"torch", "device", SB_GLOBAL_PLAIN, -1, NULL},
    {"torch.serialization", "_get_layout", SB_GLOBAL_PLAIN, -1, NULL},
    {"torch._utils", "_rebuild_tensor_v2", SB_GLOBAL_REBUILD, -1, NULL},
    {"torch._utils", "_rebuild_tensor_v3", SB_GLOBAL_REBUILD, -1, NULL},
    {"torch._utils", "_rebuild_wrapper_subclass", SB_GLOBAL_WRAPPER, -1, NULL},
    {"torch._tensor", "_rebuild_from_type_v2", SB_GLOBAL_FROM_TYPE, -1, NULL},
    {"torchao.quantization", "IntxUnpackedToInt8Tensor", SB_GLOBAL_SUBCLASS, -1, NULL},
    {"torchao.quantization", "Int4Tensor", SB_GLOBAL_SUBCLASS, -1, NULL},
    {"torchao.quantization", "Float8Tensor", SB_GLOBAL_SUBCLASS, -1, NULL},
    {"torchao.float8.inference", "Float8MMConfig", SB_GLOBAL_VALUE, -1, "emulate use_fast_accum pad_inner_dim"},
    {"torchao.quantization.quantize_.workflows.float8.float8_tensor", "QuantizeTensorToFloat8Kwargs", SB_GLOBAL_VALUE,
     -1, NULL},
    {"torchao.quantization.granularity", "PerRow", SB_GLOBAL_VALUE, -1, NULL},
    {"torchao.quantization.granularity", "PerTensor", SB_GLOBAL_VALUE, -1, NULL},
    {"torchao.quantization.quantize_.common.kernel_preference", "KernelPreference", SB_GLOBAL_ENUM, -1, NULL},
    {"torchao.quantization.linear_activation_quantized_tensor", "LinearActivationQuantizedTensor", SB_GLOBAL_SUBCLASS,
     -1, NULL},
    {"torchao.dtypes.affine_quantized_tensor", "AffineQuantizedTensor", SB_GLOBAL_SUBCLASS, -1, NULL},
    {"torchao.dtypes.uintx.plain_layout", "PlainAQTTensorImpl", SB_GLOBAL_SUBCLASS, -1, NULL},
    {"torchao.dtypes.utils", "PlainLayout", SB_GLOBAL_VALUE, -1, NULL},
    {"torchao.quantization.quant_api", "_int8_asymm_per_token_quant", SB_GLOBAL_PLAIN, -1, NULL},
    {"torchao.quantization.quant_primitives", "ZeroPointDomain", SB_GLOBAL_ENUM, -1, NULL},
};

const sb_global *sb_global_find(const char *module, const char *name) {
  for (size_t i = 0; i < sizeof table / sizeof *table; i++)
    if (strcmp(table[i].module, module) == 0 && strcmp(table[i].name, name) == 0) return &table[i];
  return NULL;
}
