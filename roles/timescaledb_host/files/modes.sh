# shellcheck shell=sh
# Owners and modes of files, and whether everybody on the host may enter the folders that lead to them. Reads only.
# Arguments: paths. Prints for each that is there: mode, owner, group, open or closed, path, with tabs between them.
for path in "$@"; do
    real=$(readlink -f -- "$path")
    [ -e "$real" ] || continue
    way=open folder=$real
    while [ "$folder" != / ]; do
        folder=$(dirname -- "$folder")
        case $(stat --format=%A -- "$folder") in
            *[xt]) ;;
            *) way=closed ;;
        esac
    done
    printf '%s\t%s\t%s\n' "$(stat --printf='%a\t%U\t%G' -- "$real")" "$way" "$path"
done
exit 0
