use colloquy_contract::transcript::*;
use std::io::Read;
fn main() {
    let mut s = String::new();
    std::io::stdin().read_to_string(&mut s).unwrap();
    let turns: Vec<Turn> = s
        .lines()
        .enumerate()
        .filter_map(|(i, l)| {
            let (r, t) = l.split_once(": ")?;
            let agent = r.starts_with('a') || r == "A";
            Turn::new(
                u16::from(!agent),
                if agent { Role::Agent } else { Role::Customer },
                t.split_whitespace()
                    .map(|w| Word {
                        text: w.into(),
                        start_ms: i as u64 * 1000,
                        end_ms: i as u64 * 1000 + 900,
                        confidence: 1.0,
                    })
                    .collect(),
            )
        })
        .collect();
    let t = Transcript {
        version: 1,
        language: "en".into(),
        duration_ms: 0,
        model: "".into(),
        channels: vec![],
        turns,
    };
    if std::env::args().nth(1).as_deref() == Some("bench") {
        let n: usize = t.turns.iter().map(|t| t.text.len()).sum();
        let _ = colloquy_tag::recognize(&t);
        let reps = (20_000_000 / n).max(1).min(2000);
        let i = std::time::Instant::now();
        let mut k = 0;
        for _ in 0..reps {
            k += colloquy_tag::recognize(&t).mentions.len();
        }
        let e = i.elapsed().as_secs_f64();
        println!(
            "{} chars x{} {:.2} M chars/s, {} mentions",
            n,
            reps,
            (n * reps) as f64 / e / 1e6,
            k / reps
        );
        return;
    }
    let e = colloquy_tag::recognize(&t);
    for (i, turn) in t.turns.iter().enumerate() {
        let mut out = String::new();
        let cs: Vec<char> = turn.text.chars().collect();
        let mut p = 0;
        for m in e.mentions.iter().filter(|m| m.turn == i) {
            out.extend(&cs[p..m.start]);
            out += &format!("{{{}={}:{}}}", m.entity_type, m.value, m.text);
            p = m.end;
        }
        out.extend(&cs[p..]);
        println!("{}: {}", if turn.channel == 0 { "A" } else { "C" }, out);
    }
}
