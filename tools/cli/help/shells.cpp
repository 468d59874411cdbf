#include <array>

#include "tools/cli/help/verb_tree.hpp"

namespace ioasim::tools {
namespace {

// Each asks the program itself, with the words as far as they are typed. A line of the answer is a
// completion, a tab and its meaning.

// Words of bash end at '=' and ':', which it does not put back.
constexpr std::string_view kBash = R"(# bash completion of ioasim
_ioasim() {
    local typed word meaning kept
    local -a words
    typed=${COMP_LINE:0:COMP_POINT}
    read -ra words <<<"$typed"
    [[ $typed != *[[:space:]] ]] || words+=("")
    kept=${words[${#words[@]} - 1]}
    if [[ $kept == *[=:]* ]]; then kept=${kept%"${kept##*[=:]}"}; else kept=; fi
    COMPREPLY=()
    while IFS=$'\t' read -r word meaning; do
        COMPREPLY+=("${word#"$kept"}")
    done < <("${words[0]}" completion words "${words[@]:1}" 2>/dev/null)
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[/=] ]]; then
        compopt -o nospace 2>/dev/null
    fi
}
complete -F _ioasim ioasim
)";

constexpr std::string_view kZsh = R"(#compdef ioasim
# zsh completion of ioasim
_ioasim() {
    local line word meaning
    local -a closed open
    for line in "${(@f)$(${(Q)words[1]} completion words "${(@Q)words[2,CURRENT-1]}" \
        "${(Q)PREFIX}" 2>/dev/null)}"; do
        [[ -n $line ]] || continue
        word=${line%%$'\t'*}
        meaning=${line#*$'\t'}
        if [[ $word == *[/=] ]]; then
            open+=("$word")
        else
            closed+=("${word//:/\\:}:$meaning")
        fi
    done
    [[ ${#open} -eq 0 ]] || compadd -S '' -a open
    [[ ${#closed} -eq 0 ]] || _describe ioasim closed
}
if [[ ${funcstack[1]-} == _ioasim ]]; then
    _ioasim "$@"
else
    compdef _ioasim ioasim
fi
)";

constexpr std::string_view kFish = R"(# fish completion of ioasim
function __ioasim_complete
    set -l words (commandline -opc)
    $words[1] completion words $words[2..-1] (commandline -ct) 2>/dev/null
end
complete -c ioasim -f -a '(__ioasim_complete)'
)";

struct Shell {
    std::string_view name;
    std::string_view script;
};
constexpr std::array<Shell, 3> kShells{{{"bash", kBash}, {"zsh", kZsh}, {"fish", kFish}}};

}  // namespace

std::string_view completion_script(std::string_view shell) {
    for (const Shell& one : kShells) {
        if (one.name == shell) {
            return one.script;
        }
    }
    return {};
}

const std::vector<std::string>& shell_names() {
    static const std::vector<std::string> names = [] {
        std::vector<std::string> all;
        for (const Shell& shell : kShells) {
            all.emplace_back(shell.name);
        }
        return all;
    }();
    return names;
}

}  // namespace ioasim::tools
