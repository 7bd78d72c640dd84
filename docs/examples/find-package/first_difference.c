/* Compares a quantizer of one's own with the reference, bit by bit, and says where they part first. */
#include <samebits/check.h>

#include <math.h>
#include <stdio.h>

/* Adds the zero point before it rounds: wrong on ties where the zero point is odd. */
static float quantize(float x, float scale, float zero_point) {
  return fminf(fmaxf(rintf(x * (1 / scale) + zero_point), -128), 127);
}

int main(void) {
  sb_case c;
  sb_tensor x, in[SB_SLOTS] = {{0}}, out[SB_SLOTS];
  sb_status status = sb_case_parse("int8-dynamic-act-int4-weight/activation/prepare@aligned/f32/31x256/tie:1", &c);
  if (!status) status = sb_case_input(&c, NULL, &x);
  if (!status) status = sb_spec_tensors(&c.spec, c.rows, c.cols, NULL, out);
  for (int slot = 0; !status && slot < SB_SLOTS; slot++)
    if (out[slot].rank) status = sb_tensor_alloc(&out[slot]);
  in[SB_X] = x;
  if (!status) status = sb_run(&c.spec, in, out, NULL);
  if (status) return fprintf(stderr, "%s\n", sb_message()), 3;

  sb_tensor got = sb_tensor_2d(SB_F32, c.rows, c.cols);
  sb_comparison result;
  status = sb_tensor_alloc(&got);
  for (int64_t i = 0; !status && i < c.rows * c.cols; i++)
    ((float *)got.data)[i] =
        quantize(((float *)x.data)[i], (float)sb_load(out[SB_SCALE].format, out[SB_SCALE].data, i / c.cols),
                 (float)sb_load_int(out[SB_ZERO_POINT].format, out[SB_ZERO_POINT].data, i / c.cols));
  if (!status) status = sb_compare(&out[SB_CODES], &got, &result, NULL, NULL);
  if (status) return fprintf(stderr, "%s\n", sb_message()), 3;
  printf("%lld of %lld codes differ", (long long)result.different, (long long)result.elements);
  char a[SB_ELEMENT_TEXT], b[SB_ELEMENT_TEXT];
  if (result.first >= 0)
    printf("; first at %lld: the reference %s, ours %s", (long long)result.first,
           sb_element_text(&out[SB_CODES], result.first, a), sb_element_text(&got, result.first, b));
  putchar('\n');
  return result.different > 0;
}
