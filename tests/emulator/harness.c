#include "harness.h"

enum { MAX_BUFFERS = 64 };
const int test_archs[TEST_ARCHS] = {75, 80, 90, 100, 120};
static sb_driver *driver;
static sb_module *module;
static Buf buffers[MAX_BUFFERS];
static int buffer_count;
static uint64_t state = 0x9e3779b97f4a7c15ull;

uint64_t random_bits(void) {
  state ^= state << 13, state ^= state >> 7, state ^= state << 17;
  return state * 0x2545f4914f6cdd1dull;
}
float edge_f32(int k) {
  static const uint32_t edges[] = {0,          0x80000000, 1,          0x80000001, 0x007fffff, 0x00800000, 0x3f800000,
                                   0xbf800000, 0x3f000000, 0x3fc00000, 0x40200000, 0xc0200000, 0x4b000000, 0x4b000001,
                                   0x4f000000, 0xcf000000, 0x4f7fffff, 0x4f800000, 0x5f000000, 0x7f7fffff, 0xff7fffff,
                                   0x7f800000, 0xff800000, 0x7fc00000, 0x7f800001, 0x477fe000, 0x477ff000, 0x43e00000,
                                   0x43e80000, 0x3a800000, 0x33800000, 0x33000000, 0x38800000, 0x387fc000, 0x42fe0000,
                                   0x437f8000, 0x47000000, 0xc7000100};
  enum { EDGES = sizeof edges / sizeof edges[0] };
  uint32_t bits = k < EDGES ? edges[k] : (uint32_t)random_bits();
  if (k >= EDGES && k % 3 == 0) bits = (bits & 0x807fffffu) | (uint32_t)(110 + (int)(random_bits() % 40)) << 23;
  float f;
  memcpy(&f, &bits, 4);
  return f;
}
double edge_f64(int k) {
  if (k % 2 == 0) return (double)edge_f32(k / 2);
  uint64_t bits = random_bits();
  if (k % 3 == 0) bits = (bits & 0x800fffffffffffffull) | (1000 + random_bits() % 60) << 52;
  double d;
  memcpy(&d, &bits, 8);
  return d;
}
uint16_t edge_16(int k) { return (uint16_t)(k < 4096 ? (unsigned)k * 16u + (random_bits() & 15u) : random_bits()); }

sb_driver *open_device(int arch) {
  char name[32];
  (void)snprintf(name, sizeof name, "emu:sm_%d", arch);
  ck_assert_msg(sb_driver_open(name, &driver) == SB_OK, "%s", sb_message());
  ((void (*)(int))sb_driver_symbol(driver, "samebitsEmuSetQuiet"))(1);
  ((void (*)(unsigned long long))sb_driver_symbol(driver, "samebitsEmuSetBudget"))(1u << 20);
  return driver;
}
void open_arch(int arch, const char *suite) {
  char path[512];
  const char *other = getenv("SAMEBITS_TEST_PTX"); /* of another compiler */
  (void)snprintf(path, sizeof path, "%s/%s_%d.ptx", other ? other : TEST_PTX_DIR, suite, arch);
  FILE *f = fopen(path, "rb");
  ck_assert_msg(f != NULL, "%s is missing", path);
  static char text[4 << 20];
  size_t n = fread(text, 1, sizeof text, f);
  (void)fclose(f);
  (void)open_device(arch);
  ck_assert_msg(sb_driver_load(driver, text, n, &module) == SB_OK, "%s", sb_message());
}
sb_driver *open_driver(void) { return driver; }
void close_arch(void) {
  free_buffers();
  sb_driver_unload(module);
  sb_driver_close(driver);
}
Buf out(size_t bytes) {
  ck_assert_int_lt(buffer_count, MAX_BUFFERS);
  Buf b = {calloc(1, bytes + 8), bytes, 0};
  ck_assert(sb_driver_alloc(driver, bytes, &b.device) == SB_OK);
  return buffers[buffer_count++] = b;
}
Buf in(const void *data, size_t bytes) {
  Buf b = out(bytes);
  memcpy(b.host, data, bytes);
  ck_assert(sb_driver_upload(driver, b.device, data, bytes) == SB_OK);
  return b;
}
void free_buffers(void) {
  for (int k = 0; k < buffer_count; k++) {
    free(buffers[k].host);
    ck_assert(sb_driver_free(driver, buffers[k].device) == SB_OK);
  }
  buffer_count = 0;
}
static sb_status launch(const char *kernel, const sb_grid *grid, void **params) {
  sb_function f;
  sb_status status = sb_driver_function(module, kernel, &f);
  if (status) return status;
  status = sb_driver_launch(driver, f, grid, params, NULL);
  if (status) {
    char message[1024];
    (void)snprintf(message, sizeof message, "%s", sb_message());
    (void)sb_driver_reset(driver);
    (void)sb_fail(status, "%s", message);
  }
  return status;
}
sb_status try_launch(const char *kernel, unsigned gx, unsigned gy, unsigned bx, unsigned by, unsigned shared,
                     void **params) {
  return launch(kernel, &(sb_grid){{gx, gy, 1}, {bx, by, 1}, shared}, params);
}
sb_status try_launch_3d(const char *kernel, const unsigned grid[3], const unsigned block[3], void **params) {
  return launch(kernel, &(sb_grid){{grid[0], grid[1], grid[2]}, {block[0], block[1], block[2]}, 0}, params);
}
const char *last_fault(void) { return sb_driver_fault(driver); }

void *fetch_buffer(Buf b) {
  ck_assert_msg(sb_driver_download(driver, b.host, b.device, b.bytes) == SB_OK, "%s", sb_message());
  return b.host;
}
void expect_bytes(const char *what, Buf b, const void *expected) {
  const unsigned char *got = fetch_buffer(b), *e = expected;
  for (size_t k = 0; k < b.bytes; k++)
    ck_assert_msg(got[k] == e[k], "%s: byte %zu is %02x, expected %02x", what, k, got[k], e[k]);
}
void expect_f32(const char *what, Buf b, const float *expected) {
  const float *got = fetch_buffer(b);
  for (size_t k = 0; k < b.bytes / 4; k++) {
    uint32_t g, e;
    memcpy(&g, &got[k], 4), memcpy(&e, &expected[k], 4);
    ck_assert_msg(g == e || (isnan(got[k]) && isnan(expected[k])), "%s[%zu]: %08x (%a), expected %08x (%a)", what, k, g,
                  (double)got[k], e, (double)expected[k]);
  }
}
void expect_f64(const char *what, Buf b, const double *expected) {
  const double *got = fetch_buffer(b);
  for (size_t k = 0; k < b.bytes / 8; k++) {
    uint64_t g, e;
    memcpy(&g, &got[k], 8), memcpy(&e, &expected[k], 8);
    ck_assert_msg(g == e || (isnan(got[k]) && isnan(expected[k])), "%s[%zu]: %a, expected %a", what, k, got[k],
                  expected[k]);
  }
}
void expect_16(const char *what, Buf b, const uint16_t *expected, uint16_t exponent) {
  const uint16_t *got = fetch_buffer(b);
  for (size_t k = 0; k < b.bytes / 2; k++) {
    bool nan = (got[k] & 0x7fff) > exponent && (expected[k] & 0x7fff) > exponent;
    ck_assert_msg(got[k] == expected[k] || nan, "%s[%zu]: %04x, expected %04x", what, k, got[k], expected[k]);
  }
}

void fill_numbers(int *ints, float *floats, int count) {
  for (int k = 0; k < count; k++)
    ints[k] = (int)(random_bits() % 201) - 100, floats[k] = (float)((int)(random_bits() % 20001) - 10000) * 0x1.3p-9f;
}

int run_each_arch(const char *name, const TTest *each_arch, int archs) {
  Suite *suite = suite_create(name);
  TCase *tcase = tcase_create(name);
  tcase_set_timeout(tcase, 120);
  tcase_add_loop_test(tcase, each_arch, 0, archs);
  suite_add_tcase(suite, tcase);
  return run_suite(suite);
}
