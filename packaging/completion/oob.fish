# Completion of oob for fish. `oob --complete` knows what could stand there; this only carries it to and fro.

function __oob_complete
    set -l words (commandline -opc)
    # Quotes are the shell's, not part of a name.
    set -l given (string replace -ra '[\'"\\\\]' '' -- $words[2..] "$(commandline -ct)")
    set -l lines ($words[1] --complete $given 2>/dev/null)
    switch "$lines[1]"
        case :files
            __fish_complete_path (commandline -ct)
        case :folders
            __fish_complete_directories (commandline -ct)
        case '*'
            string join \n -- $lines
    end
end

complete -c oob -f -a '(__oob_complete)'
