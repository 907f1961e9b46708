//! The service at a real broker, under its own user: whose an address is, however often and by
//! however many at once it is asked for.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::sync::Arc;

use colloquy_accounts::AccountsService;
use colloquy_contract::{
    Fact, FactType, Scope,
    facts::{AccountCreated, AccountSignupRejected, AccountSignupRequested},
};
use colloquy_testkit::{Kit, PATIENCE, account, types};

fn signup(email: &str) -> AccountSignupRequested {
    AccountSignupRequested {
        email: email.to_owned(),
        name: "Zaphod Beeblebrox".to_owned(),
        company: Some("Magrathea Ltd".to_owned()),
    }
}

fn created(email: &str) -> AccountCreated {
    let AccountSignupRequested {
        email,
        name,
        company,
    } = signup(email);
    AccountCreated {
        email,
        name,
        company,
    }
}

/// As it is run: it opens the directory with what its own user may do.
async fn service(kit: &Kit) -> AccountsService {
    let bus = kit.connect("accounts").await;
    AccountsService::new(&bus).await.unwrap()
}

/// What became of a sign-up.
async fn end(kit: &Kit, scope: &Scope) -> Fact {
    let history = kit.history(scope).await;
    let facts = types(&history);
    let [requested, end] = history.as_slice() else {
        panic!("{facts:?}")
    };
    assert_eq!(
        requested.envelope.fact_type,
        FactType::AccountSignupRequested
    );
    assert_eq!(end.envelope.source, "accounts");
    assert_eq!(end.envelope.cause, Some(requested.envelope.id));
    end.fact.clone()
}

#[tokio::test]
async fn an_address_belongs_to_who_asks_first() {
    let kit = Kit::with_permissions(1).await;
    let accounts = kit.run(Arc::new(service(&kit).await)).await;
    let first = kit.begin(signup("zaphod@beeblebrox.example")).await;
    kit.facts_until(&first, FactType::AccountCreated).await;
    // The same mailbox, though it is written otherwise.
    let second = kit.begin(signup(" Zaphod@Beeblebrox.Example")).await;
    kit.facts_until(&second, FactType::AccountSignupRejected)
        .await;
    let other = kit.begin(signup("trillian@beeblebrox.example")).await;
    kit.facts_until(&other, FactType::AccountCreated).await;
    accounts.drain().await;

    let ours = created("zaphod@beeblebrox.example");
    assert_eq!(end(&kit, &first).await, ours.into());
    let others = created("trillian@beeblebrox.example");
    assert_eq!(end(&kit, &other).await, others.into());
    let Fact::AccountSignupRejected(AccountSignupRejected { code, reason }) =
        end(&kit, &second).await
    else {
        panic!("two accounts have one address")
    };
    assert_eq!(code, "email_taken");
    assert!(reason.contains("sign in"), "{reason}");
    assert!(!reason.to_lowercase().contains("zaphod"), "{reason}");
}

#[tokio::test]
async fn of_many_who_ask_at_once_one_is_given_the_address() {
    let kit = Kit::with_permissions(2).await;
    let one = kit.run(Arc::new(service(&kit).await)).await;
    let another = kit.run(Arc::new(service(&kit).await)).await;
    let scopes: Vec<Scope> = (0..12).map(|_| account()).collect();
    let asking = scopes
        .iter()
        .map(|scope| kit.state(scope, signup("arthur@dent.example")));
    futures::future::join_all(asking).await;
    kit.settled(PATIENCE).await;
    one.drain().await;
    another.drain().await;

    let mut given = 0;
    for scope in &scopes {
        match end(&kit, scope).await {
            Fact::AccountCreated(_) => given += 1,
            Fact::AccountSignupRejected(_) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(given, 1);
}

#[tokio::test]
async fn who_asks_twice_over_lost_answers_is_given_the_address_once() {
    let kit = Kit::with_permissions(3).await;
    let scope = account();
    let service = service(&kit).await;
    let facts = kit
        .delivered_again(service, &scope, signup("ford@prefect.example"))
        .await;
    // Its own claim of the first time does not stand in its way.
    assert_eq!(
        facts,
        [FactType::AccountSignupRequested, FactType::AccountCreated]
    );
}

#[tokio::test]
async fn a_sign_up_that_cannot_be_read_is_a_dead_letter() {
    let kit = Kit::with_permissions(4).await;
    let accounts = kit.run(Arc::new(service(&kit).await)).await;
    let scope = account();
    let data = r#""zaphod@beeblebrox.example""#;
    kit.garble(&scope, FactType::AccountSignupRequested, data)
        .await;
    let letter = kit.the_dead_letter("accounts", &scope).await;
    // What comes behind it is not held up.
    let next = kit.begin(signup("trillian@beeblebrox.example")).await;
    kit.facts_until(&next, FactType::AccountCreated).await;
    accounts.drain().await;
    assert!(letter.error.contains("cannot be read"), "{}", letter.error);
    assert!(!letter.error.contains("zaphod"), "{}", letter.error);
}
