/* Runs a step of a recipe on a device, by default the CUDA kernels on the emulator, and compares with the reference. A
 * program of its own on an installed samebits: PKG_CONFIG_PATH=PREFIX/lib/pkgconfig; cc emulated.c $(pkg-config
 * --cflags
 * --libs samebits) -Wl,-rpath,PREFIX/lib -o emulated */
#include <samebits/check.h>
#include <samebits/run.h>

#include <stdio.h>

int main(int argc, char **argv) {
  const sb_device_options how = {0};
  const sb_check_options options = {0};
  sb_device *device = NULL;
  sb_case c;
  sb_result result;
  sb_status status = sb_device_open(argc > 1 ? argv[1] : "emu:sm_90", &how, &device);
  if (!status) status = sb_case_parse("int4-weight-only/weight/convert@aligned/bf16/64x256:g32/tie:1", &c);
  if (!status) status = sb_check(device, &c, &options, &result);
  if (status) return fprintf(stderr, "%s\n", sb_message()), 3;
  printf("%s on %s: %s, %lld elements %s\n", sb_case_status_names[result.status], device->name, c.spec.recipe->name,
         (long long)result.elements, result.reason);
  sb_result_free(&result);
  sb_device_close(device);
  return result.status != SB_PASS;
}
