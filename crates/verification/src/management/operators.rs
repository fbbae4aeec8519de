//! Operators' accounts, as operators see and change those of others.

use chrono::{DateTime, Utc};
use padan_domain::{OperatorName, OperatorRole};
use padan_store::{
    ClientSecret, CodeSecret, NewOperator, OperatorList, OperatorPassword, OperatorSettings, StoreError,
};

use super::mandate::Mandate;

/// An account to be added.
#[derive(Debug)]
pub struct OperatorAddition {
    /// Its name, unique among the operators.
    pub name: OperatorName,
    /// What it may do.
    pub role: OperatorRole,
    /// From when on it is refused; `None` for never.
    pub expires_at: Option<DateTime<Utc>>,
    /// What it gets beside the token.
    pub sign_in: NewSecrets,
}

/// The secrets that an account gets.
#[derive(Debug, Clone, Copy)]
pub struct NewSecrets {
    /// A token.
    pub token: bool,
    /// A password, with which its sessions end.
    pub password: bool,
    /// A secret of one-time codes, with which its sessions end.
    pub code: bool,
}

/// New secrets of an account, to be shown once.
#[derive(Debug, Default)]
pub struct ShownSecrets {
    /// The token.
    pub token: Option<ClientSecret>,
    /// The password.
    pub password: Option<OperatorPassword>,
    /// The secret of the one-time codes.
    pub code: Option<CodeSecret>,
}

/// Why an account is not changed.
#[derive(Debug, thiserror::Error)]
pub enum OperatorRefusal {
    /// It is that of the operator who asks. Somebody else has to change it.
    #[error("nobody changes their own account here: ask another operator, or use the command padan operator")]
    OwnAccount,
    /// There is no operator of that name in the store.
    #[error("there is no such operator in the store")]
    NotFound,
    /// The name is taken, or could be taken for one of the provider's.
    #[error("another operator already has this name, or it begins as the names of the provider's users do")]
    NameTaken,
    /// The store fails, or refuses the change.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Mandate {
    /// All operators of the store, and those who are signed in through the provider.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn list_operators(&self) -> Result<OperatorList, StoreError> {
        let management = &self.management;
        let mut list = management.store.operators().list(management.sessions.idle).await?;
        // Sessions of people whom the settings give no role any more do not count.
        let sign_ins = management.provider_sign_ins.as_deref();
        list.accounts.retain(|listed| {
            listed.account.provider.as_ref().is_none_or(|of| {
                sign_ins.is_some_and(|sign_ins| sign_ins.provider().grants(&of.issuer, of.role))
            })
        });
        Ok(list)
    }

    /// Adds an operator to the store, with its token, and with a password and one-time codes if they are wanted. Each of
    /// these leaves a row.
    ///
    /// # Errors
    ///
    /// [`OperatorRefusal::NameTaken`] when nothing was added; when the store fails, the account may have been added without
    /// all of its secrets.
    pub async fn add_operator(&self, addition: &OperatorAddition) -> Result<ShownSecrets, OperatorRefusal> {
        let OperatorAddition { name, role, expires_at, sign_in } = addition;
        let token = ClientSecret::generate()?;
        let new = NewOperator { name: name.clone(), role: *role, token, expires_at: *expires_at };
        if !self.administration.add_operator(&new).await? {
            return Err(OperatorRefusal::NameTaken);
        }
        let others = self.renew(name, NewSecrets { token: false, ..*sign_in }).await?;
        Ok(ShownSecrets { token: Some(new.token), ..others })
    }

    /// Changes role, expiry or state of another operator. At least one enabled operator stays.
    ///
    /// # Errors
    ///
    /// [`OperatorRefusal`] when nothing was changed.
    pub async fn set_operator(
        &self,
        name: &OperatorName,
        settings: &OperatorSettings,
    ) -> Result<(), OperatorRefusal> {
        self.require_other(name)?;
        found(self.administration.set_operator_leaving_one(name, settings).await?)
    }

    /// Gives another operator new secrets. The old ones are refused at once. Each of them leaves a row.
    ///
    /// # Errors
    ///
    /// [`OperatorRefusal`] when not all of them were replaced.
    pub async fn renew_operator_secrets(
        &self,
        name: &OperatorName,
        wanted: NewSecrets,
    ) -> Result<ShownSecrets, OperatorRefusal> {
        self.require_other(name)?;
        self.renew(name, wanted).await
    }

    /// Ends all sessions of an account, also of one that the provider knows, and of the operator's own. False when there is
    /// none.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn end_sessions(&self, account: &OperatorName) -> Result<bool, StoreError> {
        self.administration.end_sessions(account).await
    }

    async fn renew(&self, name: &OperatorName, wanted: NewSecrets) -> Result<ShownSecrets, OperatorRefusal> {
        let mut shown = ShownSecrets::default();
        if wanted.token {
            let token = ClientSecret::generate()?;
            found(self.administration.rotate_operator(name, &token).await?)?;
            shown.token = Some(token);
        }
        if wanted.password {
            let password = OperatorPassword::generate()?;
            let hashed = tokio::task::spawn_blocking(move || (password.hash(), password)).await;
            let (hash, password) =
                hashed.map_err(|_| StoreError::Cryptography("the password cannot be hashed"))?;
            found(self.administration.set_operator_password(name, hash?).await?)?;
            shown.password = Some(password);
        }
        if wanted.code {
            let secret = CodeSecret::generate()?;
            found(self.administration.set_operator_code(name, Some(secret.clone())).await?)?;
            shown.code = Some(secret);
        }
        Ok(shown)
    }

    fn require_other(&self, name: &OperatorName) -> Result<(), OperatorRefusal> {
        if *name == self.account.name { Err(OperatorRefusal::OwnAccount) } else { Ok(()) }
    }
}

fn found(is_found: bool) -> Result<(), OperatorRefusal> {
    if is_found { Ok(()) } else { Err(OperatorRefusal::NotFound) }
}
