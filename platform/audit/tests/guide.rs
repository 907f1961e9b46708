//! The guide names everything that an audit may find.

use colloquy_audit::FindingKind;

#[test]
fn the_guide_explains_every_finding() {
    let guide = include_str!("../../../docs/audit.md");
    for kind in FindingKind::ALL {
        let row = format!("| `{kind}` |");
        assert!(guide.contains(&row), "docs/audit.md has no row for {kind}");
    }
}
