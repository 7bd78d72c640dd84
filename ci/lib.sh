# shellcheck shell=bash
# What the scripts of this folder share. A step is silent when it succeeds; when it fails it prints one line that says what
# failed and where its whole log is, then the end of that log.
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
logs=$top/build/logs
jobs=${JOBS:-$(nproc)}
mkdir -p "$logs"

# progress TEXT: on a terminal, one line that the next one overwrites; nothing in a pipe.
progress() {
  if [ -t 2 ]; then printf '\r\033[K%s' "$1" >&2; fi
}

# step NAME COMMAND...: runs COMMAND with all its output in build/logs/NAME.log; returns its exit status.
step() {
  local name=$1 log rc=0
  log=$logs/$1.log
  shift
  progress "$name"
  "$@" >"$log" 2>&1 || rc=$?
  progress ""
  if [ "$rc" -ne 0 ]; then
    echo "failed: $name (exit $rc); the whole log: ${log#"$top"/}" >&2
    tail -n "${tail_lines:-25}" "$log" | sed 's/^/  | /' >&2
  fi
  return "$rc"
}

# build PRESET [TARGET...]: configures and builds one preset of CMakePresets.json, compiling through ccache where it is
# installed (its files in .cache/ccache, so that nothing outside the project is written).
build() {
  local preset=$1 launcher=()
  shift
  if command -v ccache >/dev/null; then
    export CCACHE_DIR=${CCACHE_DIR:-$top/.cache/ccache} CCACHE_MAXSIZE=${CCACHE_MAXSIZE:-1G}
    launcher=(-DCMAKE_C_COMPILER_LAUNCHER=ccache -DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
  fi
  (cd "$top" && cmake --preset "$preset" "${launcher[@]}" && cmake --build --preset "$preset" -j "$jobs" ${1:+--target "$@"})
}
