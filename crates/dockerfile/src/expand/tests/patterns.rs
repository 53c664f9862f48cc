//! Cases with patterns: trimming at both ends, replacing.

use super::{check, check_errors};

#[test]
fn trimming() {
    check(&[
        ("${FILE#*/}", "b/c.tar.gz"),
        ("${FILE##*/}", "c.tar.gz"),
        ("${FILE%.*}", "a/b/c.tar"),
        ("${FILE%%.*}", "a/b/c"),
        ("${FILE#a}", "/b/c.tar.gz"),
        ("${FILE#b}", "a/b/c.tar.gz"),
        ("${FILE%gz}", "a/b/c.tar."),
        ("${FILE%a}", "a/b/c.tar.gz"),
        ("${FILE#?}", "/b/c.tar.gz"),
        ("${FILE#??b}", "/c.tar.gz"),
        ("${FILE%?}", "a/b/c.tar.g"),
        ("${FILE#*}", "a/b/c.tar.gz"),
        ("${FILE##*}", ""),
        ("${FILE%*}", "a/b/c.tar.gz"),
        ("${FILE%%*}", ""),
        ("${FILE#}", "a/b/c.tar.gz"),
        ("${FILE##}", "a/b/c.tar.gz"),
        ("${FILE#$NONE}", "a/b/c.tar.gz"),
        ("${FILE%${NONE:-.gz}}", "a/b/c.tar"),
        ("${FILE#a*c}", ".tar.gz"),
        ("${FILE%.*r.*}", "a/b/c"),
        ("${FILE%%/*/*}", "a"),
        ("${NONE#a}", ""),
        ("${NONE%a}", ""),
        ("${A#[h]}", "hello"),
        ("${A#h.}", "hello"),
        ("${A%'llo'}", "he"),
        ("${A#\"he\"}", "llo"),
        ("${STAR#a\\*}", "b?c\\d"),
        ("${STAR#a?}", "b?c\\d"),
        ("${STAR%\\?*}", "a*b"),
        ("${STAR%\\\\d}", "a*b?c"),
        ("${STAR%'\\d'}", "a*b?c"),
        ("${STAR#\"a*\"}", "*b?c\\d"),
        ("${UNI#?}", "ółw"),
        ("${UNI%w}", "żół"),
        ("${UNI%?w}", "żó"),
        ("${LINES#*e}", "\ntwo"),
        ("${LINES##*o}", "ne\ntwo"),
        ("${LINES%%*o}", "one\n"),
    ]);
    check_errors(&[
        ("${A#\\x}", "invalid escape `\\x` in pattern `\\x`"),
        ("${A%a\\b}", "invalid escape `\\b` in pattern `a\\b`"),
        ("${A#a", "missing `}` in substitution"),
    ]);
}

#[test]
fn replacing() {
    check(&[
        ("${FILE/a/x}", "x/b/c.tar.gz"),
        ("${FILE//a/x}", "x/b/c.txr.gz"),
        ("${FILE//\\//-}", "a-b-c.tar.gz"),
        ("${FILE/\\//-}", "a-b/c.tar.gz"),
        ("${FILE/./}", "a/b/ctar.gz"),
        ("${FILE//./}", "a/b/ctargz"),
        ("${FILE/z/x}", "a/b/c.tar.gx"),
        ("${FILE/q/x}", "a/b/c.tar.gz"),
        ("${FILE/.*/}", "a/b/c"),
        ("${FILE//?/x}", "xxxxxxxxxxxx"),
        ("${FILE/b*/x}", "a/x"),
        ("${FILE//\\/*\\//:}", "a:c.tar.gz"),
        ("${FILE//a/$A}", "hello/b/c.thellor.gz"),
        ("${FILE/$NONE/x}", "xa/b/c.tar.gz"),
        ("${NONE/a/b}", ""),
        ("${A//l/}", "heo"),
        ("${A//l*/x}", "hex"),
        ("${A//'l'/\"L\"}", "heLLo"),
        ("${A//l/a b}", "hea ba bo"),
        ("${A//*/x}", "x"),
        ("${A///x}", "xhxexlxlxox"),
        ("${A////x}", "/xh/xe/xl/xl/xo/x"),
        ("${STAR//\\*/-}", "a-b?c\\d"),
        ("${STAR//\\?/-}", "a*b-c\\d"),
        ("${STAR//\\\\/-}", "a*b?c-d"),
        ("${UNI//ó/o}", "żołw"),
        ("${LINES//o*/x}", "x\ntwx"),
        // A dollar in the replacement is nothing special.
        ("${A/h/'$1'}", "$1ello"),
    ]);
    check_errors(&[
        ("${A/}", "missing `/` in substitution"),
        ("${A/b}", "missing `/` in substitution"),
        ("${A//b}", "missing `/` in substitution"),
        ("${A/b/", "missing `}` in substitution"),
        ("${A/b/c", "missing `}` in substitution"),
        ("${A/\\q/c}", "invalid escape `\\q` in pattern `\\q`"),
    ]);
}
