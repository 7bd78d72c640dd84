/* Quantizes a bf16 activation to int8, one scale and zero point a row, with the production kernels, and shows that the
 * deployed values are the trained ones. Usage: quantize_rows emu:sm_90 (the CPU), or cuda:0 (a GPU; nothing else
 * changes). cc -I include docs/examples/quantize_rows.c libsamebits_cuda.a libsamebits_ref.a libsamebits_ptx.so -lm
 * -lpthread -ldl */
#include "samebits/cuda.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROWS = 4, COLS = 4096 };

static void must(sb_status status) {
  if (status == SB_OK) return;
  fprintf(stderr, "%s\n", sb_message());
  exit(EXIT_FAILURE);
}

static uint64_t buffer(sb_cuda *cuda, int64_t bytes) {
  uint64_t pointer;
  must(sb_cuda_alloc(cuda, bytes, &pointer));
  return pointer;
}

int main(int argc, char **argv) {
  sb_cuda *cuda;
  must(sb_cuda_open(argc > 1 ? argv[1] : "emu:sm_90", &cuda));
  static uint16_t x[ROWS * COLS], scale[ROWS], trained[ROWS * COLS], deployed[ROWS * COLS];
  static int8_t zero_point[ROWS];
  for (int i = 0; i < ROWS * COLS; i++) x[i] = sb_f32_to_bf16(sinf((float)i) * (float)(1 + i / COLS));

  sb_cuda_step step = {.rows = ROWS, .cols = COLS};
  step.data[SB_X] = buffer(cuda, sizeof x);
  step.data[SB_SCALE] = buffer(cuda, sizeof scale);
  step.data[SB_ZERO_POINT] = buffer(cuda, sizeof zero_point);
  step.data[SB_CODES] = buffer(cuda, ROWS * COLS);
  step.data[SB_OUTPUT] = buffer(cuda, sizeof trained);
  must(sb_cuda_copy_in(cuda, step.data[SB_X], x, sizeof x));

  /* What training sees: fake quantization in one kernel. */
  must(sb_spec_make("int8-dynamic-act-int4-weight", SB_ACTIVATION, SB_PREPARE, SB_ALIGNED, "", SB_BF16, 0, &step.spec));
  must(sb_cuda_launch(cuda, &step, NULL));
  must(sb_cuda_copy_out(cuda, trained, step.data[SB_OUTPUT], sizeof trained));

  /* What is deployed: scale, zero point and codes in one kernel; the output is computed from the codes. */
  step.spec.step = SB_CONVERT;
  must(sb_cuda_launch(cuda, &step, NULL));
  must(sb_cuda_wait(cuda, NULL));
  must(sb_cuda_copy_out(cuda, deployed, step.data[SB_OUTPUT], sizeof deployed));
  must(sb_cuda_copy_out(cuda, scale, step.data[SB_SCALE], sizeof scale));
  must(sb_cuda_copy_out(cuda, zero_point, step.data[SB_ZERO_POINT], sizeof zero_point));

  for (int row = 0; row < ROWS; row++)
    printf("row %d: scale %a, zero_point %d\n", row, (double)sb_bf16_to_f32(scale[row]), zero_point[row]);
  int different = 0;
  for (int i = 0; i < ROWS * COLS; i++) different += trained[i] != deployed[i];
  printf("%s: %d of %d values differ between training and deployment\n", sb_cuda_name(cuda), different, ROWS * COLS);
  sb_cuda_close(cuda);
  return different ? EXIT_FAILURE : EXIT_SUCCESS;
}
