/* Kernels that Triton has compiled offline (triton_kernels.py; ci/triton runs both) against host C, on three
   architectures. usage: test_emulator_triton FOLDER */
#include "harness.h"
#include "host.h"

static const char *folder;
static int arch;
static sb_driver *driver;
static float floats[4096];
static int ints[4096];

static void fill(void) { fill_numbers(ints, floats, 4096); }

/* Triton appends pointers to scratch memory that these kernels do not use: params ends with two of them. */
static void run(const char *kernel, unsigned gx, unsigned gy, void **params) {
  char path[512], line[128], name[64];
  static char text[1 << 20];
  int of, warps = 0, shared = 0;
  sb_module *module;
  sb_function f;
  (void)snprintf(path, sizeof path, "%s/launch.txt", folder);
  FILE *list = fopen(path, "r");
  ck_assert_msg(list != NULL, "%s", path);
  while (!warps && fgets(line, sizeof line, list))
    if (sscanf(line, "%63s %d %d %d", name, &of, &warps, &shared) != 4 || strcmp(name, kernel) || of != arch) warps = 0;
  (void)fclose(list);
  ck_assert_msg(warps > 0, "%s for sm_%d is not in launch.txt", kernel, arch);
  (void)snprintf(path, sizeof path, "%s/%s_%d.ptx", folder, kernel, arch);
  FILE *file = fopen(path, "r");
  ck_assert_msg(file != NULL, "%s", path);
  size_t n = fread(text, 1, sizeof text, file);
  (void)fclose(file);
  ck_assert_msg(sb_driver_load(driver, text, n, &module) == SB_OK, "%s", sb_message());
  ck_assert_msg(sb_driver_function(module, kernel, &f) == SB_OK, "%s", sb_message());
  sb_grid grid = {{gx, gy, 1}, {32u * (unsigned)warps, 1, 1}, (unsigned)shared};
  ck_assert_msg(sb_driver_launch(driver, f, &grid, params, NULL) == SB_OK, "sm_%d, %s: %s", arch, kernel, sb_message());
  sb_driver_unload(module);
}
#define SCRATCH &scratch, &scratch
static uint64_t scratch = 0;

static void rows(void) {
  enum { R = 4, C = 401, NORM = 128 };
  static float scale[R], y[R * NORM], x[R * NORM];
  static int8_t codes[R * C];
  int cols = C, norm = NORM;
  float eps = 0x1p-10f;
  for (int r = 0; r < R; r++) {
    float m = 0, sum = 0, squares = 0;
    for (int c = 0; c < C; c++) m = fmaxf(m, fabsf(floats[r * C + c]));
    scale[r] = fmaxf(m / 127.0f, 1e-10f);
    for (int c = 0; c < C; c++) {
      float q = rintf(floats[r * C + c] / scale[r]);
      codes[r * C + c] = (int8_t)(q < -128 ? -128 : q > 127 ? 127 : q);
    }
    for (int c = 0; c < NORM; c++)
      sum += x[r * NORM + c] = (float)(c < NORM / 2 ? ints[r * NORM + c] : -ints[r * NORM + c - NORM / 2]);
    for (int c = 0; c < NORM; c++) squares += (x[r * NORM + c] - sum / NORM) * (x[r * NORM + c] - sum / NORM);
    for (int c = 0; c < NORM; c++)
      y[r * NORM + c] = (x[r * NORM + c] - sum / NORM) * (1.0f / sqrtf(squares / NORM + eps));
  }
  Buf bx = in(floats, sizeof codes * 4), bs = out(sizeof scale), bc = out(sizeof codes), bn = in(x, sizeof x),
      by = out(sizeof y);
  run("rows_i8", R, 1, P(&bx.device, &bs.device, &bc.device, &cols, SCRATCH));
  expect_f32("rows_i8, scales", bs, scale), expect_bytes("rows_i8, codes", bc, codes);
  run("norm", R, 1, P(&bn.device, &by.device, &norm, &eps, SCRATCH));
  expect_f32("norm", by, y);
}

static void matrices(void) {
  enum { M = 45, N = 70, KD = 112 };
  static int8_t a[M * KD], b[N * KD], t[N * KD];
  static int c[M * N];
  int m = M, n = N, k = KD;
  for (int i = 0; i < M * KD; i++) a[i] = (int8_t)random_bits();
  for (int i = 0; i < N * KD; i++) t[i % KD * N + i / KD] = b[i] = (int8_t)random_bits();
  for (int i = 0; i < M * N; i++) {
    c[i] = 0;
    for (int j = 0; j < KD; j++) c[i] += a[i / N * KD + j] * b[i % N * KD + j];
  }
  Buf ba = in(a, sizeof a), bb = in(b, sizeof b), bc = out(sizeof c), bt = out(sizeof t);
  run("matmul_i8", 2, 3, P(&ba.device, &bb.device, &bc.device, &m, &n, &k, SCRATCH));
  expect_bytes("matmul_i8", bc, c);
  run("transpose", 3, 4, P(&bb.device, &bt.device, &n, &k, SCRATCH));
  expect_bytes("transpose", bt, t);
}

static int ascending(const void *a, const void *b) {
  int x = *(const int *)a, y = *(const int *)b;
  return (x > y) - (x < y);
}
static void integers(void) {
  enum { N = 1000, PARTS = 7 };
  static int sums[2048], tops[2048], sorted[1024];
  int h[64] = {0}, bins[32] = {0}, zeros[64] = {0}, most = -1000, start = -1000, part[PARTS] = {0}, total = 0, n = N,
      n5 = 500, n7 = 890;
  for (int k = 0; k < N; k++) h[ints[k] & 63]++, most = ints[k] > most ? ints[k] : most;
  for (int k = 0; k < 500; k++) bins[ints[k] & 31]++;
  for (int k = 0; k < 2048; k++) {
    sums[k] = ints[k] + (k % 512 ? sums[k - 1] : 0);
    tops[k] = k % 512 && tops[k - 1] > ints[k] ? tops[k - 1] : ints[k];
  }
  memcpy(sorted, ints, sizeof sorted);
  for (int k = 0; k < 4; k++) qsort(sorted + 256 * k, 256, sizeof *sorted, ascending);
  for (int k = 0; k < n7; k++) part[k / 128] += ints[k], total += ints[k];
  Buf x = in(ints, sizeof ints), bh = in(zeros, sizeof zeros), bm = in(&start, 4), bs = out(sizeof sums),
      bt = out(sizeof tops), bo = out(sizeof sorted), bb = out(sizeof bins), bp = out(sizeof part),
      ticket = in(zeros, 4), by = out(4);
  run("counts", 4, 1, P(&x.device, &bh.device, &bm.device, &n, SCRATCH));
  expect_bytes("counts", bh, h), expect_bytes("counts, most", bm, &most);
  run("scans", 4, 1, P(&x.device, &bs.device, &bt.device, SCRATCH));
  expect_bytes("scans, sums", bs, sums), expect_bytes("scans, tops", bt, tops);
  run("sorts", 4, 1, P(&x.device, &bo.device, SCRATCH));
  expect_bytes("sorts", bo, sorted);
  run("bins", 1, 1, P(&x.device, &bb.device, &n5, SCRATCH));
  expect_bytes("bins", bb, bins);
  run("last_program", PARTS, 1, P(&x.device, &bp.device, &ticket.device, &by.device, &n7, SCRATCH));
  expect_bytes("last_program, parts", bp, part), expect_bytes("last_program", by, &total);
}

static void nibbles(void) {
  enum { N = 300 };
  static uint8_t packed[N];
  static float scale[N / 16 + 1];
  static uint16_t y[2 * N];
  int n = N;
  for (int k = 0; k < N; k++) packed[k] = (uint8_t)random_bits(), scale[k / 16] = 0.013f * (float)(k / 16 + 1);
  for (int k = 0; k < 2 * N; k++) {
    float v = (float)((packed[k / 2] >> (4 * (k % 2)) & 15) - 8) * scale[k / 32];
    y[k] = v == 0 ? (uint16_t)(bits32(v) >> 16) : brain((__float128)v);
  }
  Buf p = in(packed, sizeof packed), s = in(scale, sizeof scale), o = out(sizeof y);
  run("int4_rows", 3, 1, P(&p.device, &s.device, &o.device, &n, SCRATCH));
  expect_16("int4_rows", o, y, 0x7f80);
}

/* Property: what Triton made of each kernel gives the bits that host C gives, and is not accused. */
START_TEST(triton_kernels) {
  static void (*const parts[])(void) = {rows, matrices, integers, nibbles};
  static const int archs[] = {80, 90, 100};
  arch = archs[_i];
  driver = open_device(arch);
  for (size_t k = 0; k < sizeof parts / sizeof *parts; k++) {
    fill();
    parts[k]();
    free_buffers();
  }
  sb_driver_close(driver);
}
END_TEST

int main(int argc, char **argv) {
  if (argc != 2) {
    (void)fprintf(stderr, "usage: test_emulator_triton FOLDER\n");
    return 2;
  }
  folder = argv[1];
  return run_each_arch("emulator triton", triton_kernels, 3);
}
