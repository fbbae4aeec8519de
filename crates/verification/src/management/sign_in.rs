//! The sign-in of an operator with a password, and a one-time code if the account has one.
//!
//! Failures are limited for each place. A place is known for an account when the account signed in from there before: its
//! browser sends a signed text, or its address is remembered by this process. Attempts from unknown places are limited for
//! each account and for each address; they never delay one from a known place, so that nobody is locked out by others.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, LazyLock},
    time::{Duration, Instant},
};

use chrono::{DateTime, TimeDelta, Utc};
use padan_domain::{Clock, OperatorName};
use padan_openid_connect::Identity;
use padan_store::{
    ClientSecret, NewSession, OperatorAccount, OperatorPassword, OperatorSession, Operators,
    PasswordHashText, SignInAccount, StoreError,
};
use parking_lot::Mutex;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use crate::{
    allowance::Allowance,
    bounded_table::BoundedTable,
    failed_credentials::{Address, FailureLimit},
};

/// An attempt to sign in.
pub struct SignIn {
    /// The name, as it was sent.
    pub name: String,
    /// The password.
    pub password: String,
    /// The one-time code, if one was sent.
    pub code: Option<String>,
    /// The text by which the browser is recognised, if it sent one.
    pub device: Option<String>,
    /// The address.
    pub peer: IpAddr,
}

/// A session that began.
pub struct SignedIn {
    /// The operator.
    pub account: OperatorAccount,
    /// The session.
    pub session: OperatorSession,
    /// Its token, for the browser alone.
    pub token: ClientSecret,
    /// A text by which the browser is recognised at the next sign-in.
    pub device: String,
}

/// Why a sign-in is refused.
#[derive(Debug, thiserror::Error)]
pub enum SignInRefusal {
    /// The account does not exist or does not count, or the password or the code is wrong.
    #[error("name, password or code is wrong")]
    Wrong(SignInFault),
    /// The password is right, and a one-time code is needed.
    #[error("a one-time code is needed")]
    CodeRequired(OperatorName),
    /// What came back from the provider does not count.
    #[error("{}", .0.cause)]
    Provider(SignInFault),
    /// The provider knows the person, and no group of the person has a role.
    #[error("no group of the person has a role")]
    NoRole(Box<Identity>),
    /// The browser did not leave for the provider, or took too long.
    #[error("the sign-in did not begin in this browser, or took too long")]
    NoFlow,
    /// The provider cannot be used.
    #[error("{0}")]
    ProviderUnavailable(String),
    /// Too many attempts failed.
    #[error("too many attempts failed")]
    TooMany(Duration),
    /// Too many passwords are being checked.
    #[error("too many passwords are being checked")]
    Busy,
    /// The store does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What the audit trail says about a sign-in that was refused.
#[derive(Debug, Clone)]
pub struct SignInFault {
    /// The account, if there is one of the name that was sent.
    pub account: Option<OperatorName>,
    /// Why.
    pub cause: &'static str,
}

impl SignInRefusal {
    /// What the audit trail says about it; `None` for an attempt of which no password was checked.
    pub(super) fn recorded(&self) -> Option<SignInFault> {
        match self {
            Self::Wrong(fault) | Self::Provider(fault) => Some(fault.clone()),
            Self::CodeRequired(account) => Some(SignInFault {
                account: Some(account.clone()),
                cause: "the password is right, and no one-time code was sent",
            }),
            Self::NoRole(_)
            | Self::NoFlow
            | Self::ProviderUnavailable(_)
            | Self::TooMany(_)
            | Self::Busy
            | Self::Store(_) => None,
        }
    }
}

/// Checks sign-ins, and limits how many can be tried.
pub(super) struct SignIns {
    operators: Operators,
    clock: Clock,
    lifetime: TimeDelta,
    of_known_places: FailureLimit<(OperatorName, Place)>,
    /// From all known places of an account together.
    of_known_accounts: FailureLimit<OperatorName>,
    of_accounts: FailureLimit<OperatorName>,
    of_addresses: FailureLimit<Address>,
    /// From where accounts signed in, as far as this process knows.
    known_addresses: Mutex<BoundedTable<(OperatorName, Address), Instant>>,
    /// The last one-time code that each account used here. The store has its step too, and whoever may change accounts
    /// there can set it back, since it is not signed.
    used_codes: Mutex<HashMap<OperatorName, UsedCode>>,
    /// Passwords that are checked at the same time, of attempts from unknown and from known places.
    checks: [Arc<Semaphore>; 2],
    /// Attempts from unknown places that may wait for their turn.
    waits: Semaphore,
}

struct UsedCode {
    step: i64,
    /// Since when the account had the credentials of which it was one.
    credentials_changed_at: Option<DateTime<Utc>>,
}

/// From where an attempt comes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Place {
    Device(String),
    Address(Address),
}

/// Failures from a known place.
pub(super) const OF_KNOWN_PLACE: Allowance = Allowance { burst: 10, seconds_apart: 60 };
/// Failures from all known places of an account together: who once had its password may have many of them.
const OF_ALL_KNOWN_PLACES: Allowance = Allowance { burst: 30, seconds_apart: 60 };
/// Failures from an address that is not known for the account.
pub(super) const OF_ADDRESS: Allowance = Allowance { burst: 20, seconds_apart: 30 };
/// Failures from all unknown places together. At this rate, a year is enough for half a million guesses.
const OF_ACCOUNT: Allowance = Allowance { burst: 20, seconds_apart: 60 };
const MAX_KNOWN_ADDRESSES: usize = 16_384;
const KNOWN_FOR: Duration = Duration::from_hours(24 * 30);
/// How long an attempt waits for its turn to have its password checked.
const TURN_TIME: Duration = Duration::from_secs(5);
/// Attempts from unknown places that wait at the same time.
const MAX_WAITS: usize = 16;

/// What a password is checked against when there is no account, so that this takes as long.
static OF_NOBODY: LazyLock<Option<PasswordHashText>> = LazyLock::new(|| {
    let password: Option<OperatorPassword> = "nobody has this password".parse().ok();
    password.and_then(|password| password.hash().ok())
});

impl SignIns {
    pub(super) fn new(operators: Operators, clock: Clock, lifetime: TimeDelta) -> Self {
        Self {
            operators,
            clock,
            lifetime,
            of_known_places: FailureLimit::new(OF_KNOWN_PLACE),
            of_known_accounts: FailureLimit::new(OF_ALL_KNOWN_PLACES),
            of_accounts: FailureLimit::new(OF_ACCOUNT),
            of_addresses: FailureLimit::new(OF_ADDRESS),
            known_addresses: Mutex::new(BoundedTable::new(MAX_KNOWN_ADDRESSES)),
            used_codes: Mutex::default(),
            checks: [Arc::new(Semaphore::new(1)), Arc::new(Semaphore::new(1))],
            waits: Semaphore::new(MAX_WAITS),
        }
    }

    /// Begins a session, if name, password and code are right.
    pub(super) async fn sign_in(&self, attempt: SignIn) -> Result<SignedIn, SignInRefusal> {
        let unknown = SignInFault { account: None, cause: "there is no such account" };
        let Ok(name) = attempt.name.parse::<OperatorName>() else {
            // It is no name of an account, so no password is checked. It counts, since each failure leaves a row.
            let from = Address::of(attempt.peer);
            if let Some(wait) = self.of_addresses.retry_after(&from) {
                return Err(SignInRefusal::TooMany(wait));
            }
            self.of_addresses.record(&from);
            return Err(SignInRefusal::Wrong(unknown));
        };
        let place = self.known_place(&name, &attempt);
        if let Some(wait) = self.retry_after(&name, place.as_ref(), attempt.peer) {
            return Err(SignInRefusal::TooMany(wait));
        }
        // Held until a failure is counted, so that attempts that arrive together are not all judged.
        let turn = Arc::new(self.turn(place.is_some()).await?);
        if let Some(wait) = self.retry_after(&name, place.as_ref(), attempt.peer) {
            return Err(SignInRefusal::TooMany(wait));
        }
        let checked = self.check(&name, &attempt, Arc::clone(&turn)).await;
        // A right password without the code counts too: it leaves a row, and tells a thief that the password is right.
        if let Err(SignInRefusal::Wrong(_) | SignInRefusal::CodeRequired(_)) = &checked {
            self.record(&name, place, attempt.peer);
        }
        drop(turn);
        let SignInAccount { account, credentials_changed_at, .. } = checked?;
        let (operator, lifetime) = (name.clone(), self.lifetime);
        let new = NewSession { operator, lifetime, provider: None, credentials_changed_at };
        let Some((token, session)) = self.operators.begin_session(&new).await? else {
            return Err(wrong(
                Some(name),
                "the account was disabled or its credentials were changed meanwhile",
            ));
        };
        self.remember(&name, attempt.peer);
        Ok(SignedIn { device: self.operators.new_device(&name)?, account, session, token })
    }

    async fn check(
        &self,
        name: &OperatorName,
        attempt: &SignIn,
        turn: Arc<OwnedSemaphorePermit>,
    ) -> Result<SignInAccount, SignInRefusal> {
        let (found, fault) = match self.operators.for_sign_in(name).await {
            Ok(found) => (found, "there is no such account"),
            Err(error @ StoreError::OperatorNotSigned { .. }) => {
                tracing::error!("a sign-in was refused: {error}");
                (None, "the row of the account was written by others than Padan")
            }
            Err(error) => return Err(error.into()),
        };
        let hash = found.as_ref().and_then(|found| found.password.clone());
        let has_password = hash.is_some();
        let is_right = is_password(hash, attempt.password.clone(), turn).await;
        let Some(found) = found else { return Err(wrong(None, fault)) };
        let wrong = |cause| wrong(Some(name.clone()), cause);
        if !has_password {
            return Err(wrong("the account has no password"));
        }
        if !is_right {
            return Err(wrong("the password is wrong"));
        }
        if found.account.disabled || found.account.expires_at.is_some_and(|at| at <= self.clock.now()) {
            return Err(wrong("the account is disabled or has expired"));
        }
        self.check_code(&found, attempt.code.as_deref()).await?;
        Ok(found)
    }

    async fn check_code(&self, found: &SignInAccount, code: Option<&str>) -> Result<(), SignInRefusal> {
        let name = &found.account.name;
        if !found.needs_code() {
            return Ok(());
        }
        let Some(code) = code else { return Err(SignInRefusal::CodeRequired(name.clone())) };
        let step = self.operators.use_code(found, code, self.clock.now()).await?;
        if step.is_some_and(|step| self.is_first_use(found, step)) {
            return Ok(());
        }
        Err(wrong(Some(name.clone()), "the one-time code is wrong or was used before"))
    }

    /// Whether neither the code of this time step nor a later one was used here with these credentials.
    fn is_first_use(&self, found: &SignInAccount, step: i64) -> bool {
        let SignInAccount { account, credentials_changed_at, .. } = found;
        let credentials_changed_at = *credentials_changed_at;
        let mut used = self.used_codes.lock();
        let is_first = used
            .get(&account.name)
            .is_none_or(|last| last.credentials_changed_at != credentials_changed_at || last.step < step);
        if is_first {
            used.insert(account.name.clone(), UsedCode { step, credentials_changed_at });
        }
        is_first
    }

    /// The place of an attempt, if the account signed in from there before.
    fn known_place(&self, name: &OperatorName, attempt: &SignIn) -> Option<Place> {
        let device = attempt.device.as_deref().filter(|device| self.operators.is_device_of(name, device));
        if let Some(device) = device {
            return Some(Place::Device(device.to_owned()));
        }
        let key = (name.clone(), Address::of(attempt.peer));
        let known = self.known_addresses.lock();
        let is_known = known.get(&key).is_some_and(|at| at.elapsed() < KNOWN_FOR);
        is_known.then_some(Place::Address(key.1))
    }

    fn remember(&self, name: &OperatorName, peer: IpAddr) {
        let mut known = self.known_addresses.lock();
        let now = Instant::now();
        let key = (name.clone(), Address::of(peer));
        if let Some(at) = known.get_or_insert(&key, now, |at| at.elapsed() >= KNOWN_FOR) {
            *at = now;
        }
    }

    fn retry_after(&self, name: &OperatorName, place: Option<&Place>, peer: IpAddr) -> Option<Duration> {
        match place {
            Some(place) => {
                let of_place = self.of_known_places.retry_after(&(name.clone(), place.clone()));
                of_place.max(self.of_known_accounts.retry_after(name))
            }
            None => self.of_addresses.retry_after(&Address::of(peer)).max(self.of_accounts.retry_after(name)),
        }
    }

    fn record(&self, name: &OperatorName, place: Option<Place>, peer: IpAddr) {
        if let Some(place) = place {
            self.of_known_places.record(&(name.clone(), place));
            self.of_known_accounts.record(name);
        } else {
            self.of_addresses.record(&Address::of(peer));
            self.of_accounts.record(name);
        }
    }

    /// Waits until the password may be checked. Attempts from known places do not wait for others, which may not fill up
    /// the places of all sign-ins either.
    async fn turn(&self, is_known: bool) -> Result<OwnedSemaphorePermit, SignInRefusal> {
        let wait = if is_known { None } else { Some(self.waits.try_acquire()) };
        let _wait = wait.transpose().map_err(|_| SignInRefusal::Busy)?;
        let checks = Arc::clone(&self.checks[usize::from(is_known)]);
        match timeout(TURN_TIME, checks.acquire_owned()).await {
            Ok(Ok(turn)) => Ok(turn),
            Ok(Err(_)) | Err(_) => Err(SignInRefusal::Busy),
        }
    }
}

/// Whether a text is the password, which takes as long without a hash as with one.
async fn is_password(hash: Option<PasswordHashText>, text: String, turn: Arc<OwnedSemaphorePermit>) -> bool {
    let checked = tokio::task::spawn_blocking(move || {
        // If the attempt is dropped, the check goes on.
        let _turn = turn;
        let is_of_account = hash.is_some();
        let hash = hash.or_else(|| OF_NOBODY.clone());
        hash.is_some_and(|hash| hash.is_of(&text)) && is_of_account
    });
    checked.await.unwrap_or(false)
}

fn wrong(account: Option<OperatorName>, cause: &'static str) -> SignInRefusal {
    SignInRefusal::Wrong(SignInFault { account, cause })
}
