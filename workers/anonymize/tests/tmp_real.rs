use colloquy_anonymize::{Cut, audio::*};
use colloquy_audio::FlacReader;
#[test]
fn real() {
    for name in ["call"] {
        for ch in 0..2u16 {
            let (mut speech, mut flagged, mut sil) = (0, 0, 0);
            let data = std::fs::read(format!("/tmp/xt/{name}.flac")).unwrap();
            // energy of ch per second
            let mut r = FlacReader::new(std::io::Cursor::new(&data)).unwrap();
            let mut all = vec![];
            while let Some(b) = r.next_block().unwrap() {
                all.extend_from_slice(b);
            }
            for t in (1..243).step_by(4) {
                let e: f64 = (t * 16000..(t + 1) * 16000)
                    .map(|n| (all[n * 2 + ch as usize] as f64).powi(2))
                    .sum::<f64>()
                    / 16000.0;
                let o: f64 = (t * 16000..(t + 1) * 16000)
                    .map(|n| (all[n * 2 + 1 - ch as usize] as f64).powi(2))
                    .sum::<f64>()
                    / 16000.0;
                let mut r = FlacReader::new(std::io::Cursor::new(&data)).unwrap();
                let cuts = [Cut {
                    channel: ch,
                    start_ms: t as u64 * 1000,
                    end_ms: t as u64 * 1000 + 700,
                }];
                let red =
                    redact_samples(&mut r, &cuts, &AudioPolicy::default(), |_| Ok(())).unwrap();
                if e.sqrt() > 300.0 {
                    speech += 1;
                    if red.crosstalk_ms > 0 {
                        flagged += 1;
                        println!("  {t}s own {:.0} other {:.0}", e.sqrt(), o.sqrt());
                    }
                } else if red.crosstalk_ms > 0 {
                    sil += 1;
                    println!("  quiet {t}s own {:.1} other {:.1}", e.sqrt(), o.sqrt());
                }
            }
            println!("{name} ch{ch}: {flagged}/{speech} flagged in speech, {sil} in quiet");
        }
    }
    let data = std::fs::read("/tmp/xt/call.flac").unwrap();
    let cuts: Vec<Cut> = (0..60)
        .map(|n| Cut {
            channel: (n % 2) as u16,
            start_ms: n * 4000,
            end_ms: n * 4000 + 1500,
        })
        .collect();
    let t = std::time::Instant::now();
    let mut out = vec![];
    let red = redact(
        std::io::Cursor::new(&data),
        &mut out,
        &cuts,
        &AudioPolicy::default(),
    )
    .unwrap();
    println!("{red:?} {} bytes in {:?}", out.len(), t.elapsed());
    std::fs::write("/tmp/xt/out.opus", &out).unwrap();
}
