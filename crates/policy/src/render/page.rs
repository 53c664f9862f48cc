//! A rule's page, and the list of all: Markdown, from the rule's own data.

use crate::level::{Level, Profile};
use crate::rule::{Example, Family, Rule};
use crate::rules;

/// A rule's page.
pub fn page(rule: &Rule) -> String {
    let mut page = format!("# {}\n\n{}\n\n{}\n\n", rule.id, sentence(rule.title), rule.why);
    page += &format!("**Fix**: {}.\n\n", rule.fix);
    let levels: Vec<String> = Profile::ALL
        .iter()
        .map(|profile| format!("`{profile}` {}", level(rule.levels.in_profile(*profile))))
        .collect();
    page += &format!("**Level**: {}\n\n", levels.join(", "));
    page += &format!("**Family**: {}\n\n", rule.family.name());
    let needs: Vec<&str> = rule.needs.iter().map(|need| need.name()).collect();
    page += &format!("**Judges**: {}\n\n", needs.join(", "));
    if !rule.also.is_empty() {
        let also: Vec<String> = rule
            .also
            .iter()
            .map(|foreign| foreign.words())
            .map(|(tool, id)| format!("`{id}` of {tool}"))
            .collect();
        page += &format!("**Elsewhere**: {}\n\n", also.join(", "));
    }
    page += &format!(
        "Caught (between `«` and `»`):\n\n{}\nLeft alone:\n\n{}",
        fenced(rule.bad),
        fenced(rule.good)
    );
    page
}

/// All rules in one page, by family.
pub fn index() -> String {
    let rules = rules::all();
    let mut page = format!(
        "# Rules\n\nGenerated from the rules' own data. {} rules; `kapok explain RULE` shows a rule's page. Levels are those of the \
         profiles `default`, `strict` and `rainforest`.\n",
        rules.len()
    );
    for family in Family::ALL {
        let own: Vec<&&Rule> = rules.iter().filter(|rule| rule.family == family).collect();
        if own.is_empty() {
            continue;
        }
        page += &format!(
            "\n## {}\n\n| rule | | default | strict | rainforest | elsewhere |\n|---|---|---|---|---|---|\n",
            sentence(family.name()).trim_end_matches('.')
        );
        for rule in &own {
            let levels: Vec<&str> =
                Profile::ALL.iter().map(|profile| level(rule.levels.in_profile(*profile))).collect();
            let also: Vec<&str> = rule.also.iter().map(|foreign| foreign.words().1).collect();
            page += &format!(
                "| [{id}](#{id}) | {} | {} | {} |\n",
                rule.title,
                levels.join(" | "),
                also.join(", "),
                id = rule.id
            );
        }
        for rule in own {
            page += &format!("\n#{}", self::page(rule).replacen("# ", "## ", 1));
        }
    }
    page
}

fn level(level: Option<Level>) -> &'static str {
    level.map_or("–", Level::name)
}

fn sentence(words: &str) -> String {
    let mut chars = words.chars();
    let first: String = chars.next().map(|first| first.to_uppercase().collect()).unwrap_or_default();
    format!("{first}{}.", chars.as_str())
}

/// The example as code. Files of an example have their headings as comments.
fn fenced(example: Example) -> String {
    let mut text = String::from("```\n");
    for line in example.0.lines() {
        text += &match line.strip_prefix("//- ") {
            Some(path) => format!("--- {path}\n"),
            None => format!("{line}\n"),
        };
    }
    text + "```\n"
}
