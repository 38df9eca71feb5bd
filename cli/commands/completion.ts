import { defineCommand } from '../command.ts';
import { say } from '../io.ts';

export const command = defineCommand({
  positionals: '<shell>',
  describe: 'Print a completion script for a shell.',
  examples: [
    ['source <(orc completion bash)', 'For this shell'],
    ['orc completion bash > /etc/bash_completion.d/orc', 'For all shells'],
    ['orc completion zsh > "${fpath[1]}/_orc"', 'For zsh'],
  ],
  options: (yargs) =>
    yargs.positional('shell', {
      choices: ['bash', 'zsh'] as const,
      demandOption: true,
      describe: 'Which shell',
    }),

  run({ io }, { shell }) {
    say(io, shell === 'bash' ? bash : zsh);
    return Promise.resolve();
  },
});

const bash = `# Completion of orc for bash.
_orc() {
  local word="\${COMP_WORDS[COMP_CWORD]}"
  local IFS=$'\\n'
  COMPREPLY=($(compgen -W "$(orc __complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)" -- "$word"))
  [[ \${#COMPREPLY[@]} -eq 1 && "\${COMPREPLY[0]}" == */ ]] && compopt -o nospace
}
complete -o default -F _orc orc`;

const zsh = `#compdef orc
# Completion of orc for zsh.
_orc() {
  local -a found
  found=("\${(@f)$(orc __complete -- "\${words[@]:1:$((CURRENT-1))}" 2>/dev/null)}")
  compadd -S '' -- \${(M)found:#*/}
  compadd -- \${found:#*/}
  [[ \${#found} -eq 0 ]] && _files
}
compdef _orc orc`;
