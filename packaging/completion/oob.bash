# Completion of oob for bash. `oob --complete` knows what could stand there; this only carries it to and fro.

_oob() {
  local line=${COMP_LINE:0:COMP_POINT} words=() found=() cut
  # Not COMP_WORDS: it is cut at = : and @, which are parts of names here.
  read -ra words <<<"$line"
  case $line in *[[:space:]]) words+=("") ;; esac
  local raw=${words[-1]}
  words=("${words[@]//[\"\'\\]/}")
  mapfile -t found < <("$1" --complete "${words[@]:1}" 2>/dev/null)
  found=("${found[@]%%$'\t'*}")
  case ${found[0]-} in
  :files | :folders)
    compopt -o filenames
    if [ "${found[0]}" = :files ]; then cut=-f; else cut=-d; fi
    mapfile -t COMPREPLY < <(compgen "$cut" -- "${words[-1]}")
    return
    ;;
  esac
  # bash replaces only what stands behind the last of its word breaks (@ itself belongs to what follows), unless the
  # word is in quotes.
  case $raw in
  [\"\']*) cut='' ;;
  *)
    cut=${words[-1]##*[=:&]}
    case $cut in *@*) cut=@${cut##*@} ;; esac
    cut=${words[-1]%"$cut"}
    ;;
  esac
  COMPREPLY=("${found[@]#"$cut"}")
}
complete -F _oob oob
