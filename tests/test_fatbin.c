/* samebits kernel extract: the PTX inside libraries. */
#include "samebits/fatbin.h"
#include "tests/shell.h"

#include <stdint.h>

static const char text[] = ".version 8.0\n.target sm_80\n.address_size 64\n.visible .entry k()\n{\nret;\n}\n";

static size_t put16(unsigned char *to, unsigned v) {
  to[0] = (unsigned char)v, to[1] = (unsigned char)(v >> 8);
  return 2;
}
static size_t put32(unsigned char *to, uint32_t v) { return put16(to, v & 0xffff), put16(to + 2, v >> 16) + 2; }
static size_t put64(unsigned char *to, uint64_t v) {
  return put32(to, (uint32_t)v), put32(to + 4, (uint32_t)(v >> 32)) + 4;
}

/* A fat binary of one entry. */
static size_t make(unsigned char *to, unsigned kind, uint64_t flags, const void *payload, size_t size, size_t raw) {
  const size_t padded = (size + 7) / 8 * 8;
  unsigned char *at = to;
  memset(to, 0, 80 + padded);
  at += put32(at, 0xba55ed50u), at += put16(at, 1), at += put16(at, 16), at += put64(at, 64 + padded);
  at += put16(at, kind), at += put16(at, 0x101), at += put32(at, 64), at += put64(at, padded);
  at += put32(at, flags & 0xa000 ? (uint32_t)size : 0), at += put32(at, 0), at += put16(at, 0), at += put16(at, 8);
  at += put32(at, 80), at += put64(at, 0), at += put64(at, flags), at += put64(at, 0), at += put64(at, raw);
  memcpy(at, payload, size);
  return 80 + padded;
}

static void write_bytes(const char *name, const unsigned char *bytes, size_t size) {
  FILE *f = fopen(in_folder(name), "wb");
  ck_assert_ptr_nonnull(f);
  ck_assert_uint_eq(fwrite(bytes, 1, size, f), size);
  ck_assert_int_eq(fclose(f), 0);
}

/* 20 literals, then a match of 30 that begins 3 back and so runs into itself, then 5 literals. */
static const unsigned char packed[] = "\xff\x05"
                                      "ABCDEFGHIJKLMNOPQXYZ"
                                      "\x03\x00\x0b"
                                      "\x50"
                                      "vwxyz";
static const char unpacked[] = "ABCDEFGHIJKLMNOPQXYZXYZXYZXYZXYZXYZXYZXYZXYZXYZXYZvwxyz";

/* An LZ4 block gives its bytes; of every shorter one, of every other length and of a match before the start: an error.
 */
START_TEST(an_lz4_block) {
  unsigned char room[64];
  const size_t size = sizeof packed - 1, raw = sizeof unpacked - 1;
  sb_ok(sb_lz4_block(packed, size, room, raw));
  ck_assert_int_eq(memcmp(room, unpacked, raw), 0);
  for (size_t n = 0; n < size; n++) ck_assert_int_eq(sb_lz4_block(packed, n, room, raw), SB_FILE);
  for (size_t n = 0; n < sizeof room; n++)
    if (n != raw) ck_assert_int_eq(sb_lz4_block(packed, size, room, n), SB_FILE);
  ck_assert_int_eq(sb_lz4_block((const unsigned char *)"\x10"
                                                       "A\x02\x00\x00",
                                5, room, 5),
                   SB_FILE);
  ck_assert_int_eq(sb_lz4_block((const unsigned char *)"\x10"
                                                       "A\x00\x00\x00",
                                5, room, 5),
                   SB_FILE);
}
END_TEST

/* Stored and compressed entries come out as they went in, one after the other; machine code is counted. */
START_TEST(entries_come_out) {
  unsigned char bytes[1024];
  size_t size = make(bytes, 1, 0x11, text, sizeof text, 0);
  size += make(bytes + size, 2, 0x11, "code", 4, 0);
  size += make(bytes + size, 1, 0x2011, packed, sizeof packed - 1, sizeof unpacked - 1);
  write_bytes("a.fatbin", bytes, size);
  sb_fatbin f;
  sb_ok(sb_fatbin_read(in_folder("a.fatbin"), &f));
  ck_assert_int_eq(f.count, 2);
  ck_assert_int_eq(f.machine, 1);
  ck_assert_int_eq(f.ptx[0].sm, 80);
  ck_assert_str_eq(f.ptx[0].text, text);
  ck_assert_str_eq(f.ptx[1].text, unpacked);
  sb_fatbin_free(&f);
  expect(shell("$S kernel extract $D/a.fatbin -o $D/out && cat $D/out/a.1.sm_80.ptx"), 0, text);
}
END_TEST

/* A file that ends early, or of which a byte is another one, is an error or gives texts; nothing else happens. */
START_TEST(damaged_files) {
  unsigned char bytes[1024], copy[1024];
  size_t size = make(bytes, 1, 0x11, text, sizeof text, 0);
  size += make(bytes + size, 1, 0x2011, packed, sizeof packed - 1, sizeof unpacked - 1);
  sb_fatbin f;
  for (size_t n = 0; n < size; n += n < 200 ? 1 : 5) {
    write_bytes("d.fatbin", bytes, n);
    if (sb_fatbin_read(in_folder("d.fatbin"), &f) == SB_OK) sb_fatbin_free(&f);
  }
  for (size_t k = 0; k < 80 + sizeof text + 88; k++) {
    memcpy(copy, bytes, size);
    copy[k] ^= 0xff;
    write_bytes("d.fatbin", copy, size);
    if (sb_fatbin_read(in_folder("d.fatbin"), &f) == SB_OK) sb_fatbin_free(&f);
  }
  expect(shell("head -c 40 $D/d.fatbin >$D/e.fatbin; $S kernel extract $D/e.fatbin"), 3, "no fat binary at byte 0");
  expect(shell("$S kernel extract $S"), 3, "no PTX in it");
  expect(shell("$S kernel extract README.md"), 3, "neither an ELF file nor a fat binary");
  expect(shell("head -c 5000 $S >$D/cut; $S kernel extract $D/cut"), 3, "reach beyond its end");
}
END_TEST

/* One entry comes out word for word with what it names, and without the others and their shared variables. */
START_TEST(one_entry) {
  static const char module[] =
      ".version 8.0\n.target sm_80\n.address_size 64\n.global .align 4 .u32 g[2] = {1, 2};\n"
      ".shared .align 4 .b8 mine[64];\n.shared .align 4 .b8 theirs[64];\n"
      ".func f()\n{\nret;\n}\n.visible .entry other(\n.param .u64 p)\n{\nmov.u32 %r1, theirs; // }\nret;\n}\n"
      ".visible .entry k(\n.param .u64 p)\n.maxntid 4\n{\n{ mov.u32 %r1, mine; }\nret;\n}\n";
  char *single;
  sb_ok(sb_kernel_single(module, sizeof module - 1, "k", &single));
  ck_assert_str_eq(single, ".version 8.0\n.target sm_80\n.address_size 64\n.global .align 4 .u32 g[2] = {1, 2};\n"
                           ".shared .align 4 .b8 mine[64];\n.func f()\n{\nret;\n}\n"
                           ".visible .entry k(\n.param .u64 p)\n.maxntid 4\n{\n{ mov.u32 %r1, mine; }\nret;\n}\n");
  free(single);
  ck_assert_int_eq(sb_kernel_single(module, sizeof module - 1, "f", &single), SB_USAGE);
  for (size_t n = 0; n < sizeof module - 1; n++)
    if (sb_kernel_single(module, n, "other", &single) == SB_OK) free(single);
}
END_TEST

/* A register and a range of registers of one name, as inline assembly in Triton's PTX has them, are two. */
START_TEST(a_register_and_a_range) {
  write_bytes("r.ptx", (const unsigned char *)text, strlen(text) - 7);
  expect(shell("echo '.reg .b32 a; .reg .b16 a<2>; mov.b32 a, 5; mov.b32 {a0, a1}, a; ret; }' >>$D/r.ptx && $S kernel "
               "show $D/r.ptx"),
         0, "registers 3 x 32 bit");
}
END_TEST

int main(void) {
  Suite *suite = suite_create("fatbin");
  TCase *tests = tcase_create("extract");
  tcase_add_unchecked_fixture(tests, make_folder, remove_folder);
  tcase_add_test(tests, an_lz4_block);
  tcase_add_test(tests, entries_come_out);
  tcase_add_test(tests, damaged_files);
  tcase_add_test(tests, one_entry);
  tcase_add_test(tests, a_register_and_a_range);
  suite_add_tcase(suite, tests);
  return run_suite(suite);
}
