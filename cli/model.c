/* samebits model COMMAND ...: checkpoints. */
#include "cli/model/model.h"
#include "cli/command.h"

static int run(int argc, char **argv) {
  static const sb_subcommand table[] = {
      {"compare", "two checkpoints: configuration, parameters, weights, captured runs", sb_cli_model_compare},
      {"convert", "a float checkpoint to an artifact of torchao", sb_cli_model_convert},
      {"equivalence", "is the trained model the evaluated one? five checks", sb_cli_model_equivalence},
      {"eval", "evaluation loss, as float, trained, or deployed; three models in one table", sb_cli_model_eval},
      {"inspect", "what a checkpoint is: recipe, layers, and what no loader tells", sb_cli_model_inspect},
  };
  return sb_dispatch("model", table, sizeof table / sizeof *table, argc, argv);
}

const sb_command sb_command_model = {"model", "checkpoints: inspect, compare, equivalence, convert, eval", run};
