//! The service at a real broker, under its own user, and at a mail server: every account is welcomed,
//! under one `Message-ID` however often it is tried.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod server;

use std::{fs, path::Path, sync::Arc};

use colloquy_contract::{
    Fact, FactType, Scope,
    facts::{AccountCreated, AccountWelcomed},
};
use colloquy_notify::{MailOptions, Mailer, NotifyService, Smtp};
use colloquy_testkit::{Kit, PATIENCE, account, eventually, types};
use server::MailServer;

fn created(email: &str) -> AccountCreated {
    AccountCreated {
        email: email.to_owned(),
        name: "Zaphod Beeblebrox".to_owned(),
        company: None,
    }
}

fn service(folder: &Path, smtp: Option<&MailServer>) -> NotifyService {
    let options = MailOptions {
        from: "Colloquy <hello@colloquy.example>".to_owned(),
        smtp: smtp.map(|server| Smtp {
            url: server.url(),
            credentials: None,
        }),
        folder: folder.to_owned(),
    };
    NotifyService::new(Mailer::new(options).unwrap())
}

/// The id of the fact that an account was created, and what follows from it.
async fn welcomed(kit: &Kit, scope: &Scope) -> (String, AccountWelcomed) {
    kit.facts_until(scope, FactType::AccountWelcomed).await;
    let history = kit.history(scope).await;
    let facts = types(&history);
    let [created, welcomed] = history.as_slice() else {
        panic!("{facts:?}")
    };
    assert_eq!(welcomed.envelope.source, "notify");
    assert_eq!(welcomed.envelope.cause, Some(created.envelope.id));
    let Fact::AccountWelcomed(said) = &welcomed.fact else {
        panic!("{facts:?}")
    };
    (created.envelope.id.to_string(), said.clone())
}

/// The e-mails that became files; files that are not whole yet are none.
fn mails(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let mails = paths.filter(|path| path.extension().is_some_and(|kind| kind == "eml"));
    mails
        .map(|path| fs::read_to_string(path).unwrap())
        .collect()
}

#[tokio::test]
async fn a_new_account_is_welcomed_by_e_mail() {
    let kit = Kit::with_permissions(1).await;
    let (folder, server) = (tempfile::tempdir().unwrap(), MailServer::start(0).await);
    let notify = kit
        .run(Arc::new(service(folder.path(), Some(&server))))
        .await;
    let scope = kit.begin(created("zaphod@beeblebrox.example")).await;
    let (id, said) = welcomed(&kit, &scope).await;
    notify.drain().await;

    let expected = AccountWelcomed {
        transport: "smtp".to_owned(),
        message_id: format!("<{id}@colloquy.example>"),
    };
    assert_eq!(said, expected);
    let [mail] = server.taken().try_into().unwrap();
    assert_eq!(mail.to, ["zaphod@beeblebrox.example"]);
    assert_eq!(mail.header("Message-ID"), Some(said.message_id.as_str()));
    let from = mail.header("From").unwrap();
    assert!(from.contains("hello@colloquy.example"), "{from}");
    assert!(mail.text.contains("Hello Zaphod Beeblebrox,"), "{mail:?}");
    assert_eq!(mails(folder.path()), [""; 0]);
}

#[tokio::test]
async fn without_a_server_the_same_e_mail_is_one_file() {
    let kit = Kit::with_permissions(2).await;
    let (folder, scope) = (tempfile::tempdir().unwrap(), account());
    let notify = service(folder.path(), None);
    let cause = created("zaphod@beeblebrox.example");
    let facts = kit.delivered_again(notify, &scope, cause).await;
    assert_eq!(facts, [FactType::AccountCreated, FactType::AccountWelcomed]);
    let (_, said) = welcomed(&kit, &scope).await;
    assert_eq!(said.transport, "file");
    let [mail] = mails(folder.path()).try_into().unwrap();
    let line = format!("Message-ID: {}", said.message_id);
    assert!(mail.lines().any(|found| found == line), "{mail}");
}

#[tokio::test]
async fn a_server_that_is_busy_is_tried_again_under_the_same_id() {
    let kit = Kit::with_permissions(3).await;
    let (folder, server) = (tempfile::tempdir().unwrap(), MailServer::start(2).await);
    let notify = kit
        .run(Arc::new(service(folder.path(), Some(&server))))
        .await;
    let scope = kit.begin(created("zaphod@beeblebrox.example")).await;
    let (_, said) = welcomed(&kit, &scope).await;
    notify.drain().await;
    assert_eq!(
        server.turned_away(),
        [said.message_id.clone(), said.message_id]
    );
    assert_eq!(server.taken().len(), 1);
    assert_eq!(kit.dead_letters().await, 0);
}

#[tokio::test]
async fn an_account_that_is_told_of_again_is_sent_the_same_e_mail() {
    let kit = Kit::with_permissions(4).await;
    let (folder, server) = (tempfile::tempdir().unwrap(), MailServer::start(0).await);
    let (notify, scope) = (service(folder.path(), Some(&server)), account());
    let cause = created("zaphod@beeblebrox.example");
    let facts = kit.delivered_again(notify, &scope, cause).await;
    assert_eq!(facts, [FactType::AccountCreated, FactType::AccountWelcomed]);
    let (_, said) = welcomed(&kit, &scope).await;
    let taken = server.taken();
    assert!(taken.len() > 1, "it was sent again");
    for mail in taken {
        assert_eq!(mail.header("Message-ID"), Some(said.message_id.as_str()));
    }
}

#[tokio::test]
async fn an_address_that_the_server_refuses_is_a_dead_letter() {
    let kit = Kit::with_permissions(5).await;
    let (folder, server) = (tempfile::tempdir().unwrap(), MailServer::start(0).await);
    let notify = kit
        .run(Arc::new(service(folder.path(), Some(&server))))
        .await;
    let scope = kit.begin(created("nobody@beeblebrox.example")).await;
    let letter = kit.the_dead_letter("notify", &scope).await;
    notify.drain().await;
    assert!(letter.error.contains("550"), "{}", letter.error);
    for personal in ["nobody", "beeblebrox", "Zaphod"] {
        assert!(!letter.error.contains(personal), "{}", letter.error);
    }
    assert_eq!(server.taken().len(), 0);
}

#[tokio::test]
async fn an_address_that_is_none_is_a_dead_letter() {
    let kit = Kit::with_permissions(6).await;
    let folder = tempfile::tempdir().unwrap();
    let notify = kit.run(Arc::new(service(folder.path(), None))).await;
    let scope = kit.begin(created("Zaphod, of Betelgeuse")).await;
    let letter = kit.the_dead_letter("notify", &scope).await;
    assert_eq!(letter.error, "the e-mail address cannot be written to");
    // What comes behind it is not held up.
    let next = kit.begin(created("trillian@beeblebrox.example")).await;
    kit.facts_until(&next, FactType::AccountWelcomed).await;
    eventually("it is one file", PATIENCE, async || {
        mails(folder.path()).len() == 1
    })
    .await;
    notify.drain().await;
}
