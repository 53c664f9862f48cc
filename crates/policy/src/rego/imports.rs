//! Names of imported packages. OPA lets a policy use them by the import's last word (`import data.lib.images`,
//! `images.pinned(x)`) or by its alias; the interpreter knows functions by their whole names alone, and rules of packages by an alias not at all.
//! So they are written out.

use super::recursion::{blanked, is_word};

/// What OPA called `regex.match` before, and policies still do.
const RE_MATCH: &str = "re_match";

/// The text with imported names written out, where they are the imports'. Lines stay as they are.
pub(super) fn written_out(text: &str) -> String {
    let plain = blanked(text);
    let imports = imports(&plain);
    let mut uses: Vec<(usize, &str, &str)> = Vec::new();
    for (name, path) in &imports {
        let found: Vec<usize> =
            plain.match_indices(name).map(|(at, _)| at).filter(|at| is_name(&plain, *at, name)).collect();
        // A variable of the same name hides the import, but is no package with functions.
        let hidden = found.iter().any(|at| !plain[at + name.len()..].starts_with(['.', '[']));
        let meant = found.into_iter().filter(|at| !hidden || is_call(&plain, at + name.len()));
        uses.extend(meant.map(|at| (at, *name, *path)));
    }
    // Unless the policy has a function of its own of that name.
    if !plain.lines().any(|line| line.starts_with(RE_MATCH)) {
        let old = plain.match_indices(RE_MATCH).map(|(at, _)| at);
        uses.extend(old.filter(|at| is_name(&plain, *at, RE_MATCH)).map(|at| (at, RE_MATCH, "regex.match")));
    }
    uses.sort_unstable();
    let mut written = String::with_capacity(text.len());
    let mut done = 0;
    for (at, name, path) in uses {
        written.push_str(&text[done..at]);
        written.push_str(path);
        done = at + name.len();
    }
    written.push_str(&text[done..]);
    written
}

/// `import data.a.b` and `import data.a.b as c`: the word that policies use, and what it stands for.
fn imports(plain: &str) -> Vec<(&str, &str)> {
    let one = |line| {
        let mut words = str::split_whitespace(line);
        let path = words.next().filter(|word| *word == "import").and_then(|_| words.next())?;
        let dotted = path.starts_with("data.") && path.chars().all(|next| is_word(next) || next == '.');
        let name = match (words.next(), words.next()) {
            (Some("as"), Some(alias)) => alias,
            (None, _) => path.rsplit('.').next()?,
            _ => return None,
        };
        (dotted && name != "data").then_some((name, path))
    };
    plain.lines().filter_map(one).collect()
}

/// Whether a name stands here as a word of its own, and not in an import.
fn is_name(plain: &str, at: usize, name: &str) -> bool {
    let before = plain[..at].chars().next_back();
    let after = plain[at + name.len()..].chars().next();
    let line = plain[..at].rsplit('\n').next().unwrap_or_default();
    !before.is_some_and(|last| is_word(last) || last == '.')
        && !after.is_some_and(is_word)
        && !line.starts_with("import ")
}

/// Whether what follows a name makes it a call: `.word(`, `.word.word(`.
fn is_call(plain: &str, behind: usize) -> bool {
    let rest = &plain[behind..];
    let end = rest.find(|next| !is_word(next) && next != '.').unwrap_or(rest.len());
    rest.starts_with('.') && end > 1 && rest[end..].starts_with('(')
}

#[cfg(test)]
mod tests {
    use super::written_out;

    #[test]
    fn calls_are_written_out() {
        let text = "import data.a.lib\nimport data.b as k\nimport input.k as z\nx { lib.f(1); k.m.g(lib.f(2)); klib.f(3); x.lib.f(4); lib.rule; z.f(5); k.all[_] } # k.f(1)\ny = \"ä k.f(1)\"\nw { k.h(`é`) }\n";
        let expected = "import data.a.lib\nimport data.b as k\nimport input.k as z\nx { data.a.lib.f(1); data.b.m.g(data.a.lib.f(2)); klib.f(3); x.lib.f(4); data.a.lib.rule; z.f(5); data.b.all[_] } # k.f(1)\ny = \"ä k.f(1)\"\nw { data.b.h(`é`) }\n";
        assert_eq!(written_out(text), expected);
        let hidden = "import data.b as k\nx { k := input; k.a; k.f(1) }\n";
        assert_eq!(written_out(hidden), hidden.replace("k.f", "data.b.f"));
        let old = "x { re_match(`a`, input.b); my_re_match(1) }\n";
        assert_eq!(written_out(old), old.replace(" re_match", " regex.match"));
        assert_eq!(written_out("import data\nx { data.f(1) }\n"), "import data\nx { data.f(1) }\n");
    }
}
