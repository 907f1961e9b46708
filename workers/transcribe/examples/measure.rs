use colloquy_transcribe::engine::{ComputeType, Engine, EngineOptions, Pcm, Request};
use std::num::NonZeroUsize;
use std::time::Instant;
#[allow(
    clippy::all,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "temporary"
)]
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let env = |k: &str, d: usize| {
        std::env::var(k)
            .ok()
            .and_then(|v| v.parse().ok())
            .unwrap_or(d)
    };
    let options = EngineOptions {
        threads: NonZeroUsize::new(env("THREADS", 2)),
        beam_size: NonZeroUsize::new(env("BEAM", 1)).unwrap(),
        batch_size: NonZeroUsize::new(env("BATCH", 8)).unwrap(),
        compute_type: if env("F32", 0) == 1 {
            ComputeType::Float32
        } else {
            ComputeType::Int8
        },
        name: None,
    };
    let t = Instant::now();
    let engine = Engine::load(std::path::Path::new(&a[1]), &options).unwrap();
    eprintln!("load {:?}", t.elapsed());
    for f in &a[2..] {
        let (path, channels) = f.rsplit_once(':').unwrap();
        let n: usize = channels.parse().unwrap();
        let bytes = std::fs::read(path).unwrap();
        let s: Vec<i16> = bytes
            .chunks_exact(2)
            .map(|b| i16::from_le_bytes([b[0], b[1]]))
            .collect();
        let ch: Vec<Vec<i16>> = (0..n)
            .map(|c| s.iter().skip(c).step_by(n).copied().collect())
            .collect();
        let dur = ch[0].len() as f64 / 16000.0;
        let pcm = Pcm::new(ch);
        let mut best = f64::MAX;
        let mut out = None;
        for _ in 0..env("REPS", 1) {
            let t = Instant::now();
            let request = Request {
                language: std::env::var("LANGUAGE").ok(),
                vocabulary: std::env::var("VOCAB").ok(),
                ..Request::default()
            };
            out = Some(
                engine
                    .transcribe(&pcm, &request, &|_| (), &|| false)
                    .unwrap(),
            );
            best = best.min(t.elapsed().as_secs_f64());
        }
        let out = out.unwrap();
        eprintln!("{path} {best:.2}s {:.4} s/s {:?}", best / dur, out.findings);
        std::fs::write(
            format!("{path}.json"),
            serde_json::to_vec(&out.transcript).unwrap(),
        )
        .unwrap();
        if env("SHOW", 0) > 0 {
            for t in &out.transcript.turns {
                println!("{} {:>7} {:>7} {}", t.channel, t.start_ms, t.end_ms, t.text);
                if env("SHOW", 0) > 1 {
                    for w in &t.words {
                        print!(
                            " {}[{}-{} {:.2}]",
                            w.text, w.start_ms, w.end_ms, w.confidence
                        );
                    }
                    println!();
                }
            }
        }
    }
}
