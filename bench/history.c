#include "samebits/history.h"

#include "bench/statistics.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

enum { FORM = 1 };

struct sb_history {
  sqlite3 *db;
  char *path;
};

static const char schema[] =
    "CREATE TABLE runs(id INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE, device TEXT NOT NULL, toolchain TEXT NOT "
    "NULL,"
    " git TEXT NOT NULL, time TEXT NOT NULL, complete INTEGER NOT NULL, header TEXT NOT NULL, summary TEXT);"
    "CREATE TABLE results(run INTEGER NOT NULL REFERENCES runs, bench INTEGER NOT NULL, text TEXT NOT NULL,"
    " status TEXT NOT NULL, digests TEXT NOT NULL, q1 REAL, median REAL, q3 REAL, samples INTEGER NOT NULL,"
    " bytes_per_second REAL, roofline REAL, line TEXT NOT NULL, PRIMARY KEY(run, bench, text)) WITHOUT ROWID;"
    "CREATE INDEX by_case ON results(text, run);"
    "CREATE INDEX by_key ON runs(device, toolchain, git);"
    "PRAGMA application_id = 1396850258;"
    "PRAGMA user_version = 1;";

static sb_status failed(const sb_history *h) {
  return sb_fail(SB_FILE, "%s: %s", h->path, h->db ? sqlite3_errmsg(h->db) : "no memory");
}

static sb_status run_sql(sb_history *h, const char *sql) {
  return sqlite3_exec(h->db, sql, NULL, NULL, NULL) == SQLITE_OK ? SB_OK : failed(h);
}

static sb_status number_of(sb_history *h, const char *pragma, int64_t *value) {
  sqlite3_stmt *statement;
  if (sqlite3_prepare_v2(h->db, pragma, -1, &statement, NULL) != SQLITE_OK) return failed(h);
  const int row = sqlite3_step(statement);
  *value = row == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
  sqlite3_finalize(statement);
  return row == SQLITE_ROW ? SB_OK : failed(h);
}

/* A new file gets its tables; an old one must be ours. */
static sb_status check_form(sb_history *h) {
  int64_t form, tables, application;
  sb_status status = number_of(h, "PRAGMA user_version", &form);
  if (!status) status = number_of(h, "PRAGMA application_id", &application);
  if (!status) status = number_of(h, "SELECT count(*) FROM sqlite_master", &tables);
  if (status) return status;
  if (tables == 0 && form == 0) {
    status = run_sql(h, "BEGIN IMMEDIATE");
    if (!status) status = run_sql(h, schema);
    return status ? status : run_sql(h, "COMMIT");
  }
  if (application != 1396850258) return sb_fail(SB_FILE, "%s: it is no history of samebits", h->path);
  if (form > FORM) return sb_fail(SB_FILE, "%s: it is of the form %" PRId64 ", this reads %d", h->path, form, FORM);
  return SB_OK;
}

sb_status sb_history_open(const char *path, bool must_exist, sb_history **history) {
  sb_history *h = *history = calloc(1, sizeof *h);
  if (h) h->path = strdup(path);
  if (!h || !h->path) {
    free(h);
    *history = NULL;
    return sb_fail(SB_NO_MEMORY, "%s: no memory", path);
  }
  const int how = SQLITE_OPEN_READWRITE | (must_exist ? 0 : SQLITE_OPEN_CREATE);
  sb_status status = must_exist && access(path, F_OK) != 0 ? sb_fail(SB_FILE, "%s: %s", path, strerror(errno)) : SB_OK;
  if (!status && sqlite3_open_v2(path, &h->db, how, NULL) != SQLITE_OK) status = failed(h);
  if (!status) {
    sqlite3_busy_timeout(h->db, 10000);
    status = check_form(h);
  }
  if (status) {
    sb_history_close(h);
    *history = NULL;
  }
  return status;
}

void sb_history_close(sb_history *h) {
  if (!h) return;
  sqlite3_close(h->db);
  free(h->path);
  free(h);
}

/* What made the kernels: of the emulator and GPUs the record says it. */
static const char *toolchain_of(const sb_run_header *header) {
  const char *made = sb_run_record(header, "kernels");
  return *made ? made : sb_run_record(header, "toolkit");
}

static bool belongs(const sb_run_entry *e, const sb_run_header *header) {
  return strcmp(e->device, header->device) == 0;
}

static void digest_of(const sb_run_file *run, const sb_run_header *header, char text[33]) {
  XXH3_state_t *state = XXH3_createState();
  text[0] = 0;
  if (!state) return;
  XXH3_128bits_reset(state);
  for (int i = -1; i < run->entry_count; i++) {
    if (i >= 0 && !belongs(&run->entries[i], header)) continue;
    char *line = json_dumps(i < 0 ? header->line : run->entries[i].line, JSON_COMPACT | JSON_SORT_KEYS);
    if (line) XXH3_128bits_update(state, line, strlen(line));
    free(line);
  }
  XXH128_canonical_t digest;
  XXH128_canonicalFromHash(&digest, XXH3_128bits_digest(state));
  XXH3_freeState(state);
  for (size_t i = 0; i < sizeof digest.digest; i++) snprintf(text + 2 * i, 3, "%02x", digest.digest[i]);
}

static void bind_json(sqlite3_stmt *statement, int at, const json_t *value) {
  char *text = value ? json_dumps(value, JSON_COMPACT) : NULL;
  if (text)
    sqlite3_bind_text(statement, at, text, -1, SQLITE_TRANSIENT);
  else
    sqlite3_bind_null(statement, at);
  free(text);
}

static void bind_text(sqlite3_stmt *statement, int at, const char *text) {
  sqlite3_bind_text(statement, at, text, -1, SQLITE_TRANSIENT);
}

static sb_status add_entry(sb_history *h, sqlite3_stmt *statement, int64_t id, const sb_run_entry *e) {
  sb_quartiles q = {.median = e->seconds, .q1 = e->seconds, .q3 = e->seconds};
  if (e->sample_count > 0) {
    double *copy = malloc(sizeof *copy * (size_t)e->sample_count);
    if (!copy) return sb_fail(SB_NO_MEMORY, "%s: no memory", h->path);
    memcpy(copy, e->samples, sizeof *copy * (size_t)e->sample_count);
    q = sb_quartiles_of(copy, e->sample_count);
    free(copy);
  }
  json_t *none = json_object(), *digests = json_object_get(e->line, "digests");
  sqlite3_bind_int64(statement, 1, id);
  sqlite3_bind_int(statement, 2, e->bench);
  bind_text(statement, 3, e->text);
  bind_text(statement, 4, e->bench ? "" : sb_case_status_names[e->status]);
  bind_json(statement, 5, digests ? digests : none);
  sqlite3_bind_double(statement, 6, q.q1);
  sqlite3_bind_double(statement, 7, q.median);
  sqlite3_bind_double(statement, 8, q.q3);
  sqlite3_bind_int(statement, 9, e->sample_count);
  sqlite3_bind_double(statement, 10, e->bytes_per_second);
  sqlite3_bind_double(statement, 11, e->roofline);
  bind_json(statement, 12, e->line);
  json_decref(none);
  const int done = sqlite3_step(statement);
  sqlite3_reset(statement);
  return done == SQLITE_DONE ? SB_OK : failed(h);
}

/* A run that was added when it lacked nothing but its summary, and has it now. */
static sb_status complete(sb_history *h, const sb_run_file *run, const char *digest) {
  sqlite3_stmt *statement = NULL;
  if (sqlite3_prepare_v2(h->db, "UPDATE runs SET complete = 1, summary = ? WHERE digest = ? AND complete = 0", -1,
                         &statement, NULL) != SQLITE_OK)
    return failed(h);
  bind_json(statement, 1, run->summary);
  bind_text(statement, 2, digest);
  const int done = sqlite3_step(statement);
  sqlite3_finalize(statement);
  return done == SQLITE_DONE ? SB_OK : failed(h);
}

static sb_status add_device(sb_history *h, const sb_run_file *run, const sb_run_header *header, int *added) {
  char digest[33];
  sqlite3_stmt *statement = NULL;
  digest_of(run, header, digest);
  if (sqlite3_prepare_v2(
          h->db,
          "INSERT INTO runs(digest, device, toolchain, git, time, complete, header, summary) VALUES(?, ?, "
          "?, ?, ?, ?, ?, ?) ON CONFLICT(digest) DO NOTHING",
          -1, &statement, NULL) != SQLITE_OK)
    return failed(h);
  const char *const words[] = {digest, header->device, toolchain_of(header), header->git, header->time};
  for (int i = 0; i < 5; i++) bind_text(statement, i + 1, words[i]);
  sqlite3_bind_int(statement, 6, run->complete);
  bind_json(statement, 7, header->line);
  bind_json(statement, 8, run->summary);
  const int done = sqlite3_step(statement);
  sqlite3_finalize(statement);
  if (done != SQLITE_DONE) return failed(h);
  if (sqlite3_changes(h->db) == 0) return run->complete ? complete(h, run, digest) : SB_OK;
  const int64_t id = sqlite3_last_insert_rowid(h->db);
  ++*added;
  if (sqlite3_prepare_v2(h->db, "INSERT OR REPLACE INTO results VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", -1,
                         &statement, NULL) != SQLITE_OK)
    return failed(h);
  sb_status status = SB_OK;
  for (int i = 0; i < run->entry_count && !status; i++)
    if (belongs(&run->entries[i], header)) status = add_entry(h, statement, id, &run->entries[i]);
  sqlite3_finalize(statement);
  return status;
}

sb_status sb_history_add(sb_history *h, const sb_run_file *run, int *added) {
  *added = 0;
  sb_status status = run_sql(h, "BEGIN IMMEDIATE");
  if (status) return status;
  for (int i = 0; i < run->header_count && !status; i++)
    if (sb_run_file_header(run, run->headers[i].device) == &run->headers[i])
      status = add_device(h, run, &run->headers[i], added);
  if (!status) status = run_sql(h, "COMMIT");
  if (status) {
    sqlite3_exec(h->db, "ROLLBACK", NULL, NULL, NULL); /* the message is of what failed before */
    *added = 0;
  }
  return status;
}

static const char *text_at(sqlite3_stmt *statement, int column) {
  const unsigned char *text = sqlite3_column_text(statement, column);
  return text ? (const char *)text : "";
}

static sb_history_run run_at(sqlite3_stmt *s) {
  return (sb_history_run){.id = sqlite3_column_int64(s, 0),
                          .device = text_at(s, 1),
                          .toolchain = text_at(s, 2),
                          .git = text_at(s, 3),
                          .time = text_at(s, 4),
                          .complete = sqlite3_column_int(s, 5) != 0};
}

sb_status sb_history_list(sb_history *h, const char *device, sb_on_history_run *on, void *context) {
  sqlite3_stmt *s;
  if (sqlite3_prepare_v2(
          h->db,
          "SELECT id, device, toolchain, git, time, complete, sum(status = 'PASS'), sum(status = 'EXPECTED'), "
          "sum(NOT bench AND status NOT IN ('PASS', 'EXPECTED')), sum(bench AND text NOT LIKE 'copy/%') FROM "
          "runs LEFT JOIN results ON run = id WHERE ?1 IS NULL OR device = ?1 GROUP BY id ORDER BY time, id",
          -1, &s, NULL) != SQLITE_OK)
    return failed(h);
  if (device) bind_text(s, 1, device);
  int row;
  while ((row = sqlite3_step(s)) == SQLITE_ROW) {
    sb_history_run run = run_at(s);
    run.passed = sqlite3_column_int64(s, 6);
    run.expected = sqlite3_column_int64(s, 7);
    run.other = sqlite3_column_int64(s, 8);
    run.timed = sqlite3_column_int64(s, 9);
    on(context, &run);
  }
  sqlite3_finalize(s);
  return row == SQLITE_DONE ? SB_OK : failed(h);
}

sb_status sb_history_show(sb_history *h, const char *glob, sb_on_history_point *on, void *context) {
  sqlite3_stmt *s;
  if (sqlite3_prepare_v2(
          h->db,
          "SELECT id, device, toolchain, git, time, complete, bench, text, status, digests, q1, median, q3, "
          "bytes_per_second, roofline, samples FROM results JOIN runs ON run = id ORDER BY bench, text, "
          "device, toolchain, time, id",
          -1, &s, NULL) != SQLITE_OK)
    return failed(h);
  int row;
  while ((row = sqlite3_step(s)) == SQLITE_ROW) {
    const sb_history_point point = {.run = run_at(s),
                                    .bench = sqlite3_column_int(s, 6) != 0,
                                    .text = text_at(s, 7),
                                    .status = text_at(s, 8),
                                    .digests = text_at(s, 9),
                                    .q1 = sqlite3_column_double(s, 10),
                                    .median = sqlite3_column_double(s, 11),
                                    .q3 = sqlite3_column_double(s, 12),
                                    .bytes_per_second = sqlite3_column_double(s, 13),
                                    .roofline = sqlite3_column_double(s, 14),
                                    .samples = sqlite3_column_int64(s, 15)};
    if (sb_case_matches(glob, point.text)) on(context, &point);
  }
  sqlite3_finalize(s);
  return row == SQLITE_DONE ? SB_OK : failed(h);
}

sb_status sb_history_write(sb_history *h, int64_t id, FILE *to) {
  sqlite3_stmt *s;
  if (sqlite3_prepare_v2(
          h->db,
          "SELECT 0, '', header FROM runs WHERE id = ?1 UNION ALL SELECT 1 + bench, text, line FROM results "
          "WHERE run = ?1 UNION ALL SELECT 3, '', summary FROM runs WHERE id = ?1 AND summary IS NOT NULL "
          "ORDER BY 1, 2",
          -1, &s, NULL) != SQLITE_OK)
    return failed(h);
  sqlite3_bind_int64(s, 1, id);
  int row, lines = 0;
  bool good = true;
  while ((row = sqlite3_step(s)) == SQLITE_ROW) {
    good = fprintf(to, "%s\n", text_at(s, 2)) > 0 && good;
    lines++;
  }
  sqlite3_finalize(s);
  if (row != SQLITE_DONE) return failed(h);
  if (lines == 0) return sb_fail(SB_USAGE, "%s: there is no run %" PRId64 " (history list)", h->path, id);
  return good ? SB_OK : sb_fail(SB_FILE, "the run cannot be written: %s", strerror(errno));
}
