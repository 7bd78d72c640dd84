/* What a device and an entry allow a launch to be. */
#include "samebits/kernel.h"

#include <stdio.h>

/* Attributes of the driver API: CU_DEVICE_ATTRIBUTE_*, and CU_FUNC_ATTRIBUTE_* of the last two. */
enum { THREADS = 1, BLOCK_X = 2, GRID_X = 5, SHARED = 8, SHARED_OPTIN = 97, FUNC_THREADS = 0, FUNC_SHARED = 1 };

sb_status sb_kernel_grid_fits(sb_driver *d, sb_function f, const char *entry, const sb_grid *g) {
  static const char axis[] = "xyz";
  int (*attribute)(int *, int, void *) = NULL;
  void *p = sb_driver_symbol(d, "cuFuncGetAttribute");
  memcpy(&attribute, &p, sizeof p);
  for (int k = 0; k < 3; k++) {
    const int grid = sb_driver_attribute(d, GRID_X + k), block = sb_driver_attribute(d, BLOCK_X + k);
    if (grid && g->grid[k] > (unsigned)grid)
      return sb_fail(SB_USAGE, "--grid: %u blocks in %c, %s allows %d", g->grid[k], axis[k], sb_driver_device(d), grid);
    if (block && g->block[k] > (unsigned)block)
      return sb_fail(SB_USAGE, "--block: %u threads in %c, %s allows %d", g->block[k], axis[k], sb_driver_device(d),
                     block);
  }
  const unsigned long long threads = (unsigned long long)g->block[0] * g->block[1] * g->block[2];
  const int most = sb_driver_attribute(d, THREADS);
  int of_entry = 0, fixed = 0;
  if (most && threads > (unsigned)most)
    return sb_fail(SB_USAGE, "--block: %llu threads a block, %s allows %d", threads, sb_driver_device(d), most);
  if (attribute && !attribute(&of_entry, FUNC_THREADS, f) && threads > (unsigned)of_entry)
    return sb_fail(SB_USAGE, "--block: %llu threads a block, %s allows %d (.maxntid or .reqntid)", threads, entry,
                   of_entry);
  const int optin = sb_driver_attribute(d, SHARED_OPTIN), shared = optin ? optin : sb_driver_attribute(d, SHARED);
  if (attribute) (void)attribute(&fixed, FUNC_SHARED, f);
  if (shared && g->shared + (unsigned)fixed > (unsigned)shared)
    return sb_fail(SB_USAGE, "--shared: %u bytes and %d that %s has itself, %s allows %d a block", g->shared, fixed,
                   entry, sb_driver_device(d), shared);
  return SB_OK;
}
