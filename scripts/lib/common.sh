# The functions that the scripts share. Each script sources this file first. It sets
#
#   root       the checkout
#   script     the path of the script that sources this file
#   name       the same, below scripts/
#
# shellcheck shell=bash
# shellcheck disable=SC2034  # the scripts read these variables

root=$(realpath "$(dirname "${BASH_SOURCE[0]}")/../..")
script=$(realpath "$0")
name=${script#"$root/"}
name=${name#scripts/}

# say MESSAGE...: prints a message with the script's name before it.
say() { printf '%s: %s\n' "$name" "$*"; }

# die MESSAGE...: prints a message to standard error and ends the script with status 1.
die() { say "$@" >&2; exit 1; }

# usage: prints the comment at the top of the script and ends the script.
# usage MESSAGE...: reports wrong usage. Prints the message and the comment to standard error; the status is 64 (EX_USAGE).
usage() {
    (($# == 0)) || { exec >&2; say "$@"; }
    sed -n '2,/^$/s/^# \{0,1\}//p' "$script"
    exit $(($# ? 64 : 0))
}

# parse ARGUMENT...: reads the arguments of the script as the "Usage:" lines at its top declare them. Sets
#
#   option     the value of each option that was given, by its name; of a flag it is "yes"
#   operands   the other arguments, in their order
#
# The usage lines consist of
#
#   [--name]          a flag
#   [--name N]        an option with a value: a whole number for N, a number for another letter, any text for a word
#   [--name a|b]      an option with one of these values
#   [NAME], [a|b]     an operand; without the brackets the script itself checks that it is there
#   [OPTION]...       the options of another program: arguments that are not declared go to `operands` unchecked
#
# With "..." an operand or option may be repeated; `option` then holds the values with a space between them. Both
# `--name value` and `--name=value` are accepted. -h and --help print the usage.
declare -A option=()
operands=()
parse() {
    local line word value operand='' most=0 foreign=''
    local item='^ *\[?(--[a-z-]+)? ?([^] ]*)\]?(\.\.\.)?'
    local -A takes=() repeats=()
    line=$(sed -n '/^# Usage: /,/^#\{0,1\}$/{s/^# Usage: [^ ]*//; s/^# *//; p}' "$script" | paste --serial --delimiters=' ')
    while [[ $line == *[!\ ]* && $line =~ $item ]]; do
        line=${line#"${BASH_REMATCH[0]}"}
        case ${BASH_REMATCH[1]}${BASH_REMATCH[2]} in
            --*) takes[${BASH_REMATCH[1]}]=${BASH_REMATCH[2]} repeats[${BASH_REMATCH[1]}]=${BASH_REMATCH[3]} ;;
            OPTION) foreign=yes ;;
            *) operand=${BASH_REMATCH[2]} most=$((${#BASH_REMATCH[3]} ? 1000000 : most + 1)) ;;
        esac
    done
    while (($#)); do
        word=${1%%=*}
        if [[ $1 == -h || $1 == --help ]]; then
            usage
        elif [[ $word == --* && -v takes[$word] && -z ${takes[$word]} ]]; then
            [[ $1 == "$word" ]] || usage "$word takes no value"
            option[$word]=yes
        elif [[ $word == --* && -v takes[$word] ]]; then
            if [[ $1 == "$word" ]]; then
                (($# > 1)) || usage "$word needs a value: ${takes[$word]}"
                shift
                value=$1
            else
                value=${1#*=}
            fi
            check_value "$word" "${takes[$word]}" "$value"
            [[ -z ${repeats[$word]} || ! -v option[$word] ]] || value="${option[$word]} $value"
            option[$word]=$value
        elif [[ $foreign ]]; then
            operands+=("$1")
        elif [[ $1 == -* ]]; then
            usage "unknown option: $1"
        else
            ((${#operands[@]} < most)) || usage "unexpected argument: $1"
            check_value "the argument" "$operand" "$1"
            operands+=("$1")
        fi
        shift
    done
}

# check_value WHAT PLACEHOLDER VALUE: reports wrong usage unless the value fits its placeholder in the usage lines.
check_value() {
    case $2 in
        N) [[ $3 =~ ^[0-9]+$ ]] || usage "$1 takes a whole number, not '$3'" ;;
        [A-Z]) [[ $3 =~ ^[0-9]+(\.[0-9]+)?$ ]] || usage "$1 takes a number, not '$3'" ;;
        *'|'*) [[ "|$2|" == *"|$3|"* ]] || usage "$1 takes one of ${2//|/, }, not '$3'" ;;
        *) [[ $3 ]] || usage "$1 takes $2, not an empty string" ;;
    esac
}

# build_product PRODUCT debug|release [DIRECTORY [OPTION]...]: builds a product and prints the path of its binary.
# DIRECTORY is the package, below the checkout; the options go to 'swift build', whose output goes to standard error.
build_product() {
    local directory command=(swift build --configuration "$2" --product "$1" --package-path "$root${3:+/$3}" "${@:4}")
    "${command[@]}" >&2 || return
    directory=$("${command[@]}" --show-bin-path) || return
    printf '%s/%s\n' "$directory" "$1"
}
