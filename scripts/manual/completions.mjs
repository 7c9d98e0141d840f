// Completions for bash, zsh and fish, made from the tables of options.

/** The files of a program's completions, by name. */
export function completionsOf(program) {
  return {
    [`${program.name}.bash`]: bash(program),
    [`_${program.name}`]: zsh(program),
    [`${program.name}.fish`]: fish(program),
  };
}

const dashed = ({ name }) => (name.length > 1 ? `--${name}` : `-${name}`);
const isLong = ({ name }) => name.length > 1;
/** What a list of completions has room for: the first sentence without its full stop. */
const briefly = (text) => text.split(/\.(?: |$)/, 1)[0];
const kindOf = (option) =>
  option.value === undefined ? 'none' : option.choices ? 'choices' : (option.complete ?? 'text');
const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

function bash({ name, options, operand, commands = [] }) {
  const id = `_${name.replaceAll('-', '_')}`;
  const cases = (list) =>
    list
      .filter(({ value }) => value !== undefined)
      .map((option) => `    ${dashed(option)}) ${bashValue(option)} return ;;`);
  const all = [...options, ...commands.flatMap((command) => command.options)];
  const values = [...new Map(all.map((option) => [option.name, option])).values()];
  return `# Completion of ${name} for bash.
${id}() {
  local word=\${COMP_WORDS[COMP_CWORD]} option=\${COMP_WORDS[COMP_CWORD - 1]}
  # "=" is a word of its own here.
  if [[ $word == = ]]; then
    word=
  elif [[ $option == = ]]; then
    option=\${COMP_WORDS[COMP_CWORD - 2]}
  fi
  COMPREPLY=()
  case $option in
${cases(values).join('\n')}
  esac
${commands.length === 0 ? bashWords(options, operand) : bashCommands(commands, options)}
}
complete -F ${id} ${name}
`;
}

function bashValue(option) {
  switch (kindOf(option)) {
    case 'choices':
      return `mapfile -t COMPREPLY < <(compgen -W '${option.choices.join(' ')}' -- "$word");`;
    case 'file':
      return 'compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$word");';
    case 'folder':
      return 'compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$word");';
    case 'host':
      return 'mapfile -t COMPREPLY < <(compgen -A hostname -- "$word");';
    case 'user':
      return 'mapfile -t COMPREPLY < <(compgen -u -- "$word");';
    default:
      return '';
  }
}

/** Options after a dash, with the "=" that a value follows; else the operand. */
function bashWords(options, operand, indent = '  ') {
  const words = options.map((option) => {
    const takesValue = isLong(option) && option.value !== undefined;
    return takesValue ? `${dashed(option)}=` : dashed(option);
  });
  const offered = operand === undefined ? '' : bashValue({ value: operand.name, ...operand });
  const lines = [
    'if [[ $word == -* ]]; then',
    `  mapfile -t COMPREPLY < <(compgen -W '${words.join(' ')}' -- "$word")`,
    '  [[ $COMPREPLY == *= ]] && compopt -o nospace',
    ...(offered === '' ? [] : ['else', `  ${offered}`]),
    'fi',
  ];
  return lines.map((line) => indent + line).join('\n');
}

function bashCommands(commands, options) {
  const names = commands.map(({ name }) => name).join(' ');
  const cases = commands.map(
    ({ name, options: own, operand }) => `    ${name})
${bashWords(own, operand, '      ')}
      ;;`,
  );
  const globals = options.map(dashed).join(' ');
  return `  if ((COMP_CWORD == 1)); then
    mapfile -t COMPREPLY < <(compgen -W '${names} ${globals}' -- "$word")
    return
  fi
  case \${COMP_WORDS[1]} in
${cases.join('\n')}
  esac`;
}

function zsh({ name, options, operand, commands = [] }) {
  if (commands.length === 0) {
    return `#compdef ${name}

${zshArguments(options, operand)}
`;
  }
  const described = commands.map(
    (command) => `    ${quoted(`${command.name}:${briefly(command.about)}`)}`,
  );
  const cases = commands.map(
    (command) => `    ${command.name})
${zshArguments(command.options, command.operand, '      ')}
      ;;`,
  );
  return `#compdef ${name}

local -a commands
if ((CURRENT == 2)); then
  commands=(
${described.join('\n')}
  )
  _describe command commands
else
  local command=$words[2]
  shift words
  ((CURRENT--))
  case $command in
${cases.join('\n')}
  esac
fi
`;
}

function zshArguments(options, operand, indent = '') {
  const words = [
    ...options.map(zshOption),
    ...(operand === undefined
      ? []
      : [quoted(`${operand.repeats ? '*' : ''}:${operand.name}:${zshAction(operand)}`)]),
  ];
  return `${indent}_arguments -s \\\n${words.map((word) => `${indent}  ${word}`).join(' \\\n')}`;
}

function zshOption(option) {
  const about = briefly(option.text).replace(/[[\]:\\]/g, '\\$&');
  const repeats = option.repeats ? '*' : '';
  if (option.value === undefined) return quoted(`${repeats}${dashed(option)}[${about}]`);
  const joined = isLong(option) ? '=' : '+';
  return quoted(
    `${repeats}${dashed(option)}${joined}[${about}]:${option.value}:${zshAction(option)}`,
  );
}

function zshAction(option) {
  switch (kindOf({ value: '', ...option })) {
    case 'choices':
      return `(${option.choices.join(' ')})`;
    case 'file':
      return '_files';
    case 'folder':
      return '_files -/';
    case 'host':
      return '_hosts';
    case 'user':
      return '_users';
    default:
      return ' ';
  }
}

function fish({ name, options, operand, commands = [] }) {
  const none = commands.length === 0;
  const lines = [
    `complete -c ${name} -f`,
    ...(none
      ? []
      : commands.map(
          (command) =>
            `complete -c ${name} -n __fish_use_subcommand -a ${command.name} -d ${quoted(briefly(command.about))}`,
        )),
    ...options.map((option) => fishOption(name, option, none ? '' : ' -n __fish_use_subcommand')),
    ...fishOperand(name, operand, ''),
    ...commands.flatMap((command) => {
      const when = ` -n '__fish_seen_subcommand_from ${command.name}'`;
      return [
        ...command.options.map((option) => fishOption(name, option, when)),
        ...fishOperand(name, command.operand, when),
      ];
    }),
  ];
  return `# Completion of ${name} for fish.\n${lines.join('\n')}\n`;
}

function fishOperand(name, operand, when) {
  if (operand === undefined) return [];
  if (operand.complete === 'file') return [`complete -c ${name}${when} -F`];
  if (operand.choices !== undefined) {
    return [`complete -c ${name}${when} -a '${operand.choices.join(' ')}'`];
  }
  return operand.complete === 'host'
    ? [`complete -c ${name}${when} -a '(__fish_print_hostnames)'`]
    : [];
}

function fishOption(name, option, when) {
  const kind = kindOf(option);
  const flag = isLong(option) ? `-l ${option.name}` : `-s ${option.name}`;
  const values = {
    none: '',
    text: ' -x',
    file: ' -r -F',
    folder: " -x -a '(__fish_complete_directories)'",
    host: " -x -a '(__fish_print_hostnames)'",
    user: " -x -a '(__fish_complete_users)'",
    choices: ` -x -a '${option.choices?.join(' ')}'`,
  };
  return `complete -c ${name}${when} ${flag}${values[kind]} -d ${quoted(briefly(option.text))}`;
}
