#!/bin/sh
# Build, verify, train, evaluate, report, and the gate: for a cron job or CI.
#
#   sh scripts/pipeline.sh [WORKSPACE]
#
# Each stage is a process of its own, so that its memory is given back before the next one starts. The first stage that
# fails ends the script with its exit code: 2 settings, 3 too many bad units, 4 a leak, 5 the gate, 6 store busy.
# The report is written before the gate, so that there is one to look at where the gate fails.
#
#   SUITE  suites/SUITE.yaml to evaluate with (default: the workspace's default suite)
#   SEEDS  trainings with so many seeds (default: 1; with three the gate speaks of the data)
set -eu
workspace=${1:-.}
if [ -n "${SUITE:-}" ]; then set -- --suite "$SUITE"; else set --; fi

stage() {
    echo "== curate $*" >&2
    curate -C "$workspace" "$@"
}

trained() { (cd "$workspace/experiments" 2>/dev/null && ls -d experiment_* 2>/dev/null) || true; }

stage build
stage verify
before=$(trained)
new=
stage train --seeds "${SEEDS:-1}"
for run in $(trained); do
    case " $(echo "$before" | tr '\n' ' ') " in
        *" $run "*) ;;
        *)
            stage eval "$run" "$@"
            new=${new:+$new,}$run
            ;;
    esac
done
stage report base "$new" "$@"
stage compare base "$new" --alone --gate --stored "$@"
