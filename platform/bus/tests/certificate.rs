//! The end of the certificate that the broker shows: of one that is renewed under a connection that
//! stands, of one that is not trusted, and nothing where there is none.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::time::{Duration, Instant};

use colloquy_bus::{BrokerCertificate, BusError, CancellationToken, ConnectOptions};
use colloquy_testkit::{Broker, BrokerOptions, Certificates, KIT};
use jiff::{SignedDuration, Timestamp};

const DAY: Duration = Duration::from_secs(86_400);

/// How long something may take to show.
const PATIENCE: Duration = Duration::from_secs(60);

async fn broker(tls: bool) -> Broker {
    Broker::new(BrokerOptions {
        tls,
        ..BrokerOptions::default()
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_the_brokers_own_certificate_is_told() {
    let broker = broker(true).await;
    let options = broker.connect_options(KIT);
    let certificate = BrokerCertificate::new(&options).unwrap();
    assert_eq!(certificate.not_after(), None, "nothing was looked at");
    let shown = certificate.look().await.unwrap();
    let [one] = shown.as_slice() else {
        panic!("{shown:?}")
    };
    assert_eq!(one.refused, None);
    let left = one.not_after.duration_since(Timestamp::now());
    assert!(left > SignedDuration::ZERO && left <= SignedDuration::from_hours(1));
    assert_eq!(certificate.not_after(), Some(one.not_after.as_second()));

    // Renewed while nobody connects anew: it is told all the same.
    broker.renew_certificate(90 * DAY);
    let months = (Timestamp::now() + 80 * DAY).as_second();
    let deadline = Instant::now() + PATIENCE;
    while certificate.not_after() < Some(months) {
        assert!(Instant::now() < deadline, "{:?}", certificate.not_after());
        certificate.look().await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    // By the part of a process that looks for itself, too.
    let (watched, stop) = (
        BrokerCertificate::new(&options).unwrap(),
        CancellationToken::new(),
    );
    let watching = tokio::spawn(watched.clone().watch(stop.clone()));
    while watched.not_after() < Some(months) {
        assert!(Instant::now() < deadline, "{:?}", watched.not_after());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    stop.cancel();
    watching.await.unwrap();

    // One that nobody trusts, or that is another name's, is told with the reason.
    let folder = tempfile::tempdir().unwrap();
    let others = Certificates::make(folder.path());
    let foreign = ConnectOptions {
        root_certificates: Some(others.authority.clone()),
        ..options.clone()
    };
    let elsewhere = ConnectOptions {
        url: options.url.replace("127.0.0.1", "127.0.0.2"),
        ..options.clone()
    };
    let looked = BrokerCertificate::new(&foreign).unwrap().look().await;
    let refused = looked.unwrap()[0].refused.clone().unwrap();
    assert!(refused.contains("certificate"), "{refused}");
    // It listens at the first address only.
    let away = BrokerCertificate::new(&elsewhere).unwrap().look().await;
    assert!(matches!(away, Err(BusError::Connect { .. })), "{away:?}");

    // One that has ended is told, too: it is what nobody can connect with.
    broker.renew_certificate(Duration::ZERO);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let shown = certificate.look().await.unwrap();
        // In the second in which it ends it still holds.
        if let Some(refused) = &shown[0].refused {
            assert!(shown[0].not_after <= Timestamp::now());
            assert!(refused.contains("expired"), "{refused}");
            break;
        }
        assert!(Instant::now() < deadline, "{shown:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(certificate.not_after() <= Some(Timestamp::now().as_second()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_without_tls_shows_nothing() {
    let broker = broker(false).await;
    let options = broker.connect_options(KIT);
    let certificate = BrokerCertificate::new(&options).unwrap();
    assert!(certificate.look().await.unwrap().is_empty());
    assert_eq!(certificate.not_after(), None);

    // A file of authorities that cannot be read is no end either.
    let unreadable = ConnectOptions {
        root_certificates: Some("/nowhere/ca.pem".into()),
        ..options
    };
    let looked = BrokerCertificate::new(&unreadable).unwrap().look().await;
    assert!(looked.unwrap().is_empty(), "there is nothing to verify");
    broker.stop(0).await;
    let away = certificate.look().await;
    assert!(matches!(away, Err(BusError::Connect { .. })), "{away:?}");
}
