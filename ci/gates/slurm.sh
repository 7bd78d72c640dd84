#!/usr/bin/env bash
# A gate on exact bits as a Slurm job array: one part a task, then a job that finishes when all have ended.
#   array=$(sbatch --parsable --array=1-8 ci/gates/slurm.sh)
#   sbatch --dependency=afterany:$array ci/gates/slurm.sh finish
# A part that was preempted or ran out of time goes on where it was when it is submitted again.
#SBATCH --job-name=samebits
#SBATCH --time=00:30:00
#SBATCH --cpus-per-task=2
#SBATCH --requeue
set -euo pipefail
cd "${SLURM_SUBMIT_DIR:-.}"
export SAMEBITS_DEVICE=${SAMEBITS_DEVICE:-cuda:0} GATE=${GATE:-gate}
if [ "${1-}" = finish ]; then exec ci/gates/finish; fi
[ "${SLURM_ARRAY_TASK_ID-}" ] || { echo "slurm.sh: submit it with --array=1-N, or with finish" >&2; exit 2; }
exec ci/gates/shard "$SLURM_ARRAY_TASK_ID" "$SLURM_ARRAY_TASK_COUNT"
