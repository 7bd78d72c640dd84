#include "conformance/models/llama.h"

enum { MOST = 1 << 20 };

static sb_status number(const json_t *config, const char *label, const char *key, int64_t fallback, int64_t *value) {
  const json_t *v = json_object_get(config, key);
  *value = json_is_integer(v) ? json_integer_value(v) : fallback;
  if ((v && !json_is_null(v) && !json_is_integer(v)) || *value <= 0 || *value > MOST)
    return sb_fail(SB_UNSUPPORTED, "%s: config.json: %s is not a number from 1 to %d", label, key, MOST);
  return SB_OK;
}

static sb_status refuse_if(bool bad, const char *label, const char *what) {
  return bad ? sb_fail(SB_UNSUPPORTED, "%s: config.json: %s", label, what) : SB_OK;
}

sb_status sb_llama_config_read(const json_t *config, const char *label, sb_llama_config *c) {
  if (!config) return sb_fail(SB_FILE, "%s: no config.json, which tells the model's shape", label);
  const char *type = json_string_value(json_object_get(config, "model_type"));
  const char *act = json_string_value(json_object_get(config, "hidden_act"));
  const json_t *rope = json_object_get(config, "rope_parameters"), *scaling = json_object_get(config, "rope_scaling");
  const char *rope_type = json_string_value(json_object_get(rope, "rope_type"));
  const json_t *theta = json_object_get(rope, "rope_theta"), *eps = json_object_get(config, "rms_norm_eps");
  if (!theta) theta = json_object_get(config, "rope_theta");
  sb_status status = refuse_if(!type || strcmp(type, "llama") != 0, label, "model_type is not \"llama\"");
  if (!status) status = refuse_if(act && strcmp(act, "silu") != 0, label, "hidden_act is not \"silu\"");
  if (!status)
    status = refuse_if((rope_type && strcmp(rope_type, "default") != 0) || (scaling && !json_is_null(scaling)), label,
                       "rotary embeddings are scaled, which is not implemented");
  if (!status)
    status = refuse_if(json_is_true(json_object_get(config, "attention_bias")) ||
                           json_is_true(json_object_get(config, "mlp_bias")),
                       label, "biases are not implemented");
  if (!status) status = number(config, label, "hidden_size", 0, &c->hidden);
  if (!status) status = number(config, label, "intermediate_size", 0, &c->intermediate);
  if (!status) status = number(config, label, "num_hidden_layers", 0, &c->layers);
  if (!status) status = number(config, label, "num_attention_heads", 0, &c->heads);
  if (!status) status = number(config, label, "num_key_value_heads", c->heads, &c->kv_heads);
  if (!status) status = number(config, label, "head_dim", c->hidden / c->heads, &c->head_dim);
  if (!status) status = number(config, label, "vocab_size", 0, &c->vocabulary);
  if (!status)
    status = refuse_if(c->heads % c->kv_heads || c->head_dim % 2, label,
                       "heads are no multiple of key/value heads, or head_dim is odd");
  if (status) return status;
  c->rope_theta = json_is_number(theta) ? json_number_value(theta) : 10000.0;
  c->norm_eps = json_is_number(eps) ? (float)json_number_value(eps) : 1e-6F;
  return SB_OK;
}
