//! Finds the account of a token or a session.

use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
    time::{Duration, Instant},
};

use chrono::{DateTime, TimeDelta, Utc};
use padan_domain::{Clock, OperatorName, OperatorRole};
use padan_store::{OperatorAccount, OperatorSession, Operators, StoreError};
use parking_lot::{Mutex, MutexGuard};
use sha2::{Digest as _, Sha256};
use tokio::sync::{Mutex as AsyncMutex, Semaphore};

use crate::{allowance::Allowance, failed_credentials::FailedCredentials};

/// The accounts of operators. Each request reads its account from the store, so that a change counts at once.
pub(super) struct Accounts {
    operators: Operators,
    clock: Clock,
    /// How long a session may be unused.
    idle: TimeDelta,
    failed_tokens: FailedCredentials,
    /// Whether the settings still give somebody of an issuer a role.
    is_granted: IsGranted,
    /// The hashes of tokens that were right in this process.
    proven: Mutex<HashSet<TokenHash>>,
    /// Look-ups of other tokens, so that a flood of them leaves connections to operators who work.
    other_look_ups: Semaphore,
    known: AsyncMutex<KnownTokens>,
    /// When each account was changed last, as far as this process has seen.
    newest: Mutex<HashMap<OperatorName, DateTime<Utc>>>,
}

type TokenHash = [u8; 32];
/// Says whether somebody of this issuer may have this role by the settings.
pub(super) type IsGranted = Box<dyn Fn(&str, OperatorRole) -> bool + Send + Sync>;

/// The hashes of all tokens, as they were read a moment ago. They decide only whether an address that sent many wrong
/// tokens may have another one looked up.
#[derive(Default)]
struct KnownTokens {
    hashes: HashSet<TokenHash>,
    read_at: Option<Instant>,
}

/// Why a token is refused.
#[derive(Debug, thiserror::Error)]
pub enum TokenRefusal {
    /// No account has it, or the account is disabled, expired, or was not written by Padan.
    #[error("the token is not valid")]
    Wrong,
    /// Too many wrong tokens came from the address.
    #[error("too many wrong tokens came from this address")]
    TooMany(Duration),
    /// Too many tokens are being looked up.
    #[error("too many tokens are being looked up")]
    Busy,
    /// The store does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How long the hashes of all tokens are used before they are read again.
const KNOWN_FOR: Duration = Duration::from_secs(5);
/// Tokens that were not right before and are looked up at the same time.
const MAX_OTHER_LOOK_UPS: usize = 4;

impl Accounts {
    pub(super) fn new(
        operators: Operators,
        clock: Clock,
        failed_tokens: Allowance,
        idle: TimeDelta,
        is_granted: IsGranted,
    ) -> Self {
        Self {
            operators,
            clock,
            idle,
            failed_tokens: FailedCredentials::new(failed_tokens),
            is_granted,
            proven: Mutex::default(),
            other_look_ups: Semaphore::new(MAX_OTHER_LOOK_UPS),
            known: AsyncMutex::default(),
            newest: Mutex::default(),
        }
    }

    /// The account of a token that was sent from an address.
    ///
    /// An address that sent too many wrong tokens is refused without a look-up, unless the token is right: a correct
    /// token is admitted from everywhere, so that nobody can lock an operator out. A token that was right before does
    /// not wait for others.
    pub(super) async fn of_token(&self, token: &[u8], peer: IpAddr) -> Result<OperatorAccount, TokenRefusal> {
        let hash: TokenHash = Sha256::digest(token).into();
        if self.proven().contains(&hash) {
            let account = self.look_up(token).await?;
            if account.is_none() {
                self.proven().remove(&hash);
            }
            return account.ok_or(TokenRefusal::Wrong);
        }
        let _turn = self.other_look_ups.try_acquire().map_err(|_| TokenRefusal::Busy)?;
        if let Some(wait) = self.failed_tokens.retry_after(peer)
            && !self.is_known(&hash).await?
        {
            return Err(TokenRefusal::TooMany(wait));
        }
        let Some(account) = self.look_up(token).await? else {
            self.failed_tokens.record(peer);
            return Err(TokenRefusal::Wrong);
        };
        self.proven().insert(hash);
        Ok(account)
    }

    /// The session of a token that a browser sent, with the account of its operator as it is now.
    ///
    /// A token that Padan did not make is refused without a look-up, so that a flood of them delays nobody.
    pub(super) async fn of_session(
        &self,
        token: &[u8],
        peer: IpAddr,
    ) -> Result<(OperatorSession, OperatorAccount), TokenRefusal> {
        if !self.operators.is_session_token(token) {
            self.failed_tokens.record(peer);
            return Err(TokenRefusal::Wrong);
        }
        let hash: TokenHash = Sha256::digest(token).into();
        let is_proven = self.proven().contains(&hash);
        let _turn = if is_proven {
            None
        } else {
            Some(self.other_look_ups.try_acquire().map_err(|_| TokenRefusal::Busy)?)
        };
        if let Some(found) = self.valid_session(token).await? {
            self.proven().insert(hash);
            return Ok(found);
        }
        if !self.proven().remove(&hash) {
            self.failed_tokens.record(peer);
        }
        Err(TokenRefusal::Wrong)
    }

    async fn valid_session(
        &self,
        token: &[u8],
    ) -> Result<Option<(OperatorSession, OperatorAccount)>, StoreError> {
        let found = match self.operators.session(token).await {
            Err(error @ StoreError::OperatorNotSigned { .. }) => {
                tracing::error!("a session was refused: {error}");
                return Ok(None);
            }
            other => other?,
        };
        let Some((session, account)) = found else { return Ok(None) };
        let now = self.clock.now();
        if session.expires_at <= now || session.last_used_at + self.idle <= now {
            self.operators.end_session(&session).await?;
            return Ok(None);
        }
        if !self.counts(&account) {
            return Ok(None);
        }
        self.operators.note_session_use(&session).await?;
        Ok(Some((session, account)))
    }

    fn proven(&self) -> MutexGuard<'_, HashSet<TokenHash>> {
        self.proven.lock()
    }

    async fn look_up(&self, token: &[u8]) -> Result<Option<OperatorAccount>, StoreError> {
        let account = match self.operators.of_token(token).await {
            Err(error @ StoreError::OperatorNotSigned { .. }) => {
                tracing::error!("a token was refused: {error}");
                return Ok(None);
            }
            other => other?,
        };
        let Some(account) = account else { return Ok(None) };
        if !self.counts(&account) {
            return Ok(None);
        }
        self.operators.note_use(&account.name).await?;
        Ok(Some(account))
    }

    /// Whether the account is enabled, has not expired, and is no older one that somebody restored; of somebody whom a
    /// provider knows, whether the settings still name the provider and a group with the role.
    fn counts(&self, account: &OperatorAccount) -> bool {
        if let Some(provider) = &account.provider {
            return (self.is_granted)(&provider.issuer, provider.role);
        }
        let has_expired = account.expires_at.is_some_and(|at| at <= self.clock.now());
        !account.disabled && !has_expired && self.is_newest(account)
    }

    /// False when somebody restored an older row of the account, whose signature is right.
    fn is_newest(&self, account: &OperatorAccount) -> bool {
        let mut newest = self.newest.lock();
        let seen = newest.entry(account.name.clone()).or_insert(account.changed_at);
        if account.changed_at < *seen {
            tracing::error!("a token was refused: an older row of operator {} was restored", account.name);
            return false;
        }
        *seen = account.changed_at;
        true
    }

    async fn is_known(&self, hash: &TokenHash) -> Result<bool, StoreError> {
        let mut known = self.known.lock().await;
        if known.read_at.is_none_or(|at| at.elapsed() > KNOWN_FOR) {
            known.hashes = self.operators.token_hashes().await?;
            known.read_at = Some(Instant::now());
        }
        Ok(known.hashes.contains(hash))
    }
}
