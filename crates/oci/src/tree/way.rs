//! Following a path through a tree, component by component, links in their place. Nothing leaves the root.

use crate::tree::path::{components, join, parent};

/// A path on its way: the caller looks at each place and says how it goes on.
///
/// ```
/// # use oci::tree::Way;
/// let mut way = Way::new(b"/usr/bin/../lib", 40);
/// while let Some(place) = way.next_place() {
///     way.enter(place);
/// }
/// assert_eq!(way.end(), b"usr/lib");
/// ```
pub struct Way {
    /// Components that are still to come, the next one last.
    todo: Vec<Vec<u8>>,
    here: Vec<u8>,
    links_left: usize,
}

impl Way {
    /// The way from the root along `path`, through at most so many links.
    pub fn new(path: &[u8], links: usize) -> Way {
        let mut way = Way { todo: Vec::new(), here: Vec::new(), links_left: links };
        way.put_first(path);
        way
    }

    /// The next place to look at. `.` and `..` need no looking; at the root, `..` stays there.
    pub fn next_place(&mut self) -> Option<Vec<u8>> {
        loop {
            match &self.todo.pop()?[..] {
                b"." => {}
                b".." => self.here.truncate(parent(&self.here).map_or(0, <[u8]>::len)),
                name => return Some(join(&self.here, name)),
            }
        }
    }

    /// Whether nothing comes after the place looked at.
    pub fn is_last(&self) -> bool {
        self.todo.is_empty()
    }

    /// Goes on in the place looked at.
    pub fn enter(&mut self, place: Vec<u8>) {
        self.here = place;
    }

    /// Goes on where the link points that is the place looked at. `false`: that is one link too many.
    #[must_use]
    pub fn follow(&mut self, target: &[u8]) -> bool {
        if self.links_left == 0 {
            return false;
        }
        self.links_left -= 1;
        if target.starts_with(b"/") {
            self.here.clear();
        }
        self.put_first(target);
        true
    }

    /// Where the way has come to.
    pub fn end(self) -> Vec<u8> {
        self.here
    }

    fn put_first(&mut self, path: &[u8]) {
        let before = self.todo.len();
        self.todo.extend(components(path).map(<[u8]>::to_vec));
        self.todo[before..].reverse();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Follows a path where some places are links.
    fn check(path: &str, links: &[(&str, &str)], expected: Option<&str>) {
        let mut way = Way::new(path.as_bytes(), 3);
        while let Some(place) = way.next_place() {
            match links.iter().find(|(from, _)| from.as_bytes() == place) {
                Some((_, target)) if !way.follow(target.as_bytes()) => {
                    assert_eq!(expected, None, "for {path}");
                    return;
                }
                Some(_) => {}
                None => way.enter(place),
            }
        }
        assert_eq!(expected.map(str::as_bytes), Some(&way.end()[..]), "for {path}");
    }

    #[test]
    fn links_are_followed_inside_the_root() {
        check("", &[], Some(""));
        check("a/./b//c/..", &[], Some("a/b"));
        check("../../a", &[], Some("a"));
        check("a/x", &[("a", "b/c")], Some("b/c/x"));
        check("d/a/x", &[("d/a", "../e")], Some("e/x"));
        check("d/a/x", &[("d/a", "/../e")], Some("e/x"));
        check("a", &[("a", "a")], None);
        check("a/y", &[("a", "b"), ("b", "c"), ("c", "d")], Some("d/y"));
    }
}
