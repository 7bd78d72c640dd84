/* --only-failed: the cases of an earlier run that were not as expected. */
#include "conformance/select.h"

#include "samebits/run_file.h"

sb_status sb_select_failed(const char *path, sb_case_list *list) {
  sb_run_file *run;
  sb_status status = sb_run_file_open(path, &run);
  if (status) return status;
  for (int i = 0; i < run->entry_count && !status; i++) {
    const sb_run_entry *e = &run->entries[i];
    sb_case c;
    if (e->bench || e->status == SB_PASS || e->status == SB_EXPECTED) continue;
    if (sb_run_file_find(run, false, e->text) != e) continue; /* it was run again, by --resume */
    status = sb_case_parse(e->text, &c);
    if (!status) status = sb_case_list_add(list, &c);
    if (status) status = sb_fail_in(SB_FILE, "%s", path);
  }
  sb_run_file_close(run);
  return status;
}
