//! The reference page, generated from the definitions: verbs, flags, exit codes, variables, settings.

use clap::{Arg, ArgAction, Command, CommandFactory};

use super::Cli;
use crate::environment::VARIABLES;
use crate::exit::Exit;

/// The reference as Markdown: docs/reference.md.
pub fn markdown() -> String {
    let mut page = String::from(
        "# Reference\n\nGenerated from the definitions in `crates/kapok`; a test keeps it current. A flag without a value may have \
         one behind `=`, as docker's do: `--quiet=false`.\n\n## Verbs\n\n",
    );
    let mut root = Cli::command();
    root.build();
    for command in root.get_subcommands().filter(|command| !command.is_hide_set()) {
        page += &format!("- [`kapok {0}`](#kapok-{0}): {1}\n", command.get_name(), about(command));
    }
    page.push('\n');
    for command in root.get_subcommands().filter(|command| !command.is_hide_set()) {
        verb(&mut page, "kapok", command);
    }
    exit_codes(&mut page);
    variables(&mut page);
    page += &crate::ui::json::markdown();
    page += &crate::settings::keys::markdown();
    page
}

fn verb(page: &mut String, parent: &str, command: &Command) {
    let name = format!("{parent} {}", command.get_name());
    let text = command.get_long_about().or(command.get_about()).map(ToString::to_string).unwrap_or_default();
    *page += &format!("## {name}\n\n{text}\n\n");
    let nested: Vec<&Command> = command.get_subcommands().collect();
    if nested.is_empty() {
        let usage = command.clone().render_usage().to_string();
        *page += &format!("```\n{}\n```\n\n", usage.trim_start_matches("Usage: "));
    }
    let arguments: Vec<&Arg> = command
        .get_arguments()
        .filter(|argument| {
            !argument.is_hide_set() && !matches!(argument.get_id().as_str(), "help" | "colour")
        })
        .collect();
    if !arguments.is_empty() {
        *page += "| | |\n|---|---|\n";
        for argument in arguments {
            *page += &format!("| {} | {} |\n", spelling(argument), meaning(argument));
        }
        page.push('\n');
    }
    for command in nested {
        verb(page, &name, command);
    }
}

/// How an argument is written: `-t`, `--tag NAME`.
fn spelling(argument: &Arg) -> String {
    let value = argument.get_value_names().map(|names| names.join(" ")).unwrap_or_default();
    let flag = match (argument.get_short(), argument.get_long()) {
        (Some(short), Some(long)) => format!("`-{short}`, `--{long}`"),
        (None, Some(long)) => format!("`--{long}`"),
        (Some(short), None) => format!("`-{short}`"),
        (None, None) => return format!("`{value}`"),
    };
    let optional = argument.get_num_args().is_some_and(|range| range.min_values() == 0);
    match argument.get_action() {
        ArgAction::SetTrue | ArgAction::Count => flag,
        _ if optional => format!("{}[={value}]`", flag.trim_end_matches('`')),
        _ => format!("{flag} `{value}`"),
    }
}

fn meaning(argument: &Arg) -> String {
    let mut text = argument.get_help().map(ToString::to_string).unwrap_or_default();
    let values: Vec<String> = argument
        .get_possible_values()
        .iter()
        .filter(|_| argument.get_action().takes_values() && !argument.is_hide_possible_values_set())
        .map(|value| match value.get_help() {
            Some(help) => format!("`{}` ({})", value.get_name(), lowered(&help.to_string())),
            None => format!("`{}`", value.get_name()),
        })
        .collect();
    if !values.is_empty() {
        text += &format!(": {}", values.join(", "));
    }
    let defaults: Vec<String> =
        argument.get_default_values().iter().map(|value| format!("`{}`", value.to_string_lossy())).collect();
    if !defaults.is_empty() && argument.get_action().takes_values() && !argument.is_hide_default_value_set() {
        text += &format!("; default {}", defaults.join(" "));
    }
    text.replace('|', "\\|").replace('\n', " ")
}

fn lowered(text: &str) -> String {
    let mut characters = text.trim_end_matches('.').chars();
    match (characters.next(), characters.clone().next()) {
        (Some(first), Some(second)) if !second.is_uppercase() => {
            first.to_lowercase().chain(characters).collect()
        }
        (Some(first), _) => std::iter::once(first).chain(characters).collect(),
        (None, _) => String::new(),
    }
}

fn about(command: &Command) -> String {
    lowered(&command.get_about().map(ToString::to_string).unwrap_or_default())
}

fn exit_codes(page: &mut String) {
    *page += "## Exit codes\n\n| | |\n|---|---|\n";
    for (exit, meaning) in Exit::DOCUMENTED {
        *page += &format!("| {} | {meaning} |\n", exit.code());
    }
    *page += "\n`kapok run` and `kapok shell` end with the exit code of the command that they ran.\n\n";
}

fn variables(page: &mut String) {
    *page += "## Environment\n\n| | |\n|---|---|\n";
    for variable in VARIABLES {
        *page += &format!("| `{}` | {} |\n", variable.name, variable.meaning);
    }
    page.push('\n');
}

#[cfg(test)]
mod tests {
    use expect_test::expect_file;

    #[test]
    fn the_checked_in_reference_is_current() {
        expect_file!["../../../../docs/reference.md"].assert_eq(&super::markdown());
    }
}
