/* One product of each architecture, for predictions. The figures are the makers', as public tables of specifications
 * repeat them: no data sheet was at hand when this was written, and none of it was measured here. A prediction is no
 * better than its row. A10: sysrqmts.com, "NVIDIA A10 PCIe vs NVIDIA Quadro RTX 4000" (600.2 GB/s, 12.5 Gbit/s, 384
 * bit, 72 SM, 1695 MHz). RTX 5090: J. Walton, Linux Format, May 2025 (1,792 GB/s, 28 Gbit/s, 512 bit, 170 SM, 2407
 * MHz). */
#include "samebits/predict.h"

#include <stddef.h>

static const sb_product products[] = {{75, "T4", 320e9, 10.0e9, 256, 40, 1.59e9},
                                      {80, "A100 SXM 80 GB", 2039e9, 3.186e9, 5120, 108, 1.41e9},
                                      {86, "A10", 600e9, 12.5e9, 384, 72, 1.695e9},
                                      {89, "L40S", 864e9, 18.0e9, 384, 142, 2.52e9},
                                      {90, "H100 SXM", 3350e9, 5.234e9, 5120, 132, 1.98e9},
                                      /* tables that give 7.5e9 a pin make it 7.7 TB/s; the maker announces 8 */
                                      {100, "B200", 8000e9, 7.8125e9, 8192, 148, 1.965e9},
                                      {120, "RTX 5090", 1792e9, 28.0e9, 512, 170, 2.407e9}};

const sb_product *sb_product_of(int sm) {
  for (size_t i = 0; i < sizeof products / sizeof *products; i++)
    if (products[i].sm == sm) return &products[i];
  return NULL;
}
