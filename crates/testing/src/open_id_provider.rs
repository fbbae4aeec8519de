use std::{
    collections::HashMap,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::Arc,
    thread,
    time::Duration,
};

use parking_lot::{Mutex, MutexGuard};
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use serde_json::{Value, json};

/// An OpenID Connect provider on the loopback that signs everybody in at once, and misbehaves as a test says.
pub struct OpenIdProvider {
    issuer: String,
    state: Arc<Mutex<State>>,
}

/// What the provider does. A test changes it.
pub struct State {
    /// Claims that replace those of an ID token; null removes one.
    pub claims: Value,
    /// What replaces the header of an ID token.
    pub header: Value,
    /// Answers that replace those of a path: status, further headers, body.
    pub answers: HashMap<String, (u16, String, Vec<u8>)>,
    /// How long each answer waits.
    pub delay: Duration,
    /// What the user information endpoint tells.
    pub user_information: Value,
    /// What replaces members of the provider's document; null removes one.
    pub document: Value,
    /// What replaces the signature, if it is set.
    pub signature: Option<Vec<u8>>,
    /// The requests that came: method, path with query, headers, body.
    pub requests: Vec<String>,
    key: EcdsaKeyPair,
    key_id: String,
    codes: HashMap<String, HashMap<String, String>>,
}

impl OpenIdProvider {
    /// Starts the provider. It runs until the test ends.
    ///
    /// # Panics
    ///
    /// When it cannot listen.
    #[must_use]
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap_or_else(|error| panic!("{error}"));
        let address = listener.local_addr().unwrap_or_else(|error| panic!("{error}"));
        let issuer = format!("http://{address}");
        let state = Arc::new(Mutex::new(State {
            claims: json!({}),
            header: json!({}),
            answers: HashMap::new(),
            delay: Duration::ZERO,
            user_information: Value::Null,
            document: json!({}),
            signature: None,
            requests: Vec::new(),
            key: new_key(),
            key_id: "first".to_owned(),
            codes: HashMap::new(),
        }));
        let (of_thread, served) = (Arc::clone(&state), issuer.clone());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (state, issuer) = (Arc::clone(&of_thread), served.clone());
                thread::spawn(move || serve(stream, &state, &issuer));
            }
        });
        Self { issuer, state }
    }

    /// The issuer, which is also the address.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// What the provider does.
    pub fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Replaces the key that signs.
    pub fn rotate_key(&self, key_id: &str) {
        let mut state = self.state();
        (state.key, state.key_id) = (new_key(), key_id.to_owned());
    }

    /// What a browser brings back that was sent to this address: the parameters that the provider adds.
    #[must_use]
    pub fn visit(&self, address: &str) -> HashMap<String, String> {
        let query = address.split_once('?').map(|(_, query)| query).unwrap_or_default();
        let asked = pairs(query);
        let code = format!("code-{}", self.state().codes.len());
        let state = asked.get("state").cloned().unwrap_or_default();
        self.state().codes.insert(code.clone(), asked);
        HashMap::from([("code".to_owned(), code), ("state".to_owned(), state)])
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock()
}

fn new_key() -> EcdsaKeyPair {
    let (algorithm, random) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
    let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap_or_else(|error| panic!("{error}"));
    EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).unwrap_or_else(|error| panic!("{error}"))
}

fn serve(stream: TcpStream, state: &Mutex<State>, issuer: &str) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let length =
        head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    let body = String::from_utf8(body).ok()?;
    let target = head.split(' ').nth(1)?;
    let path = target.split('?').next()?;
    lock(state).requests.push(format!("{head}{body}"));
    let delay = lock(state).delay;
    thread::sleep(delay);
    let prepared = lock(state).answers.get(path).cloned();
    let (status, headers, content) = prepared.unwrap_or_else(|| {
        let (status, content) = answer(path, &body, &mut lock(state), issuer);
        (status, "Content-Type: application/json\r\n".to_owned(), content.to_string().into_bytes())
    });
    let mut stream = stream;
    let length = content.len();
    write!(stream, "HTTP/1.1 {status} -\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n")
        .ok()?;
    stream.write_all(&content).ok()
}

fn answer(path: &str, body: &str, state: &mut State, issuer: &str) -> (u16, Value) {
    match path {
        "/.well-known/openid-configuration" => {
            let document = json!({
                "issuer": issuer,
                "authorization_endpoint": format!("{issuer}/authorize"),
                "token_endpoint": format!("{issuer}/token"),
                "jwks_uri": format!("{issuer}/keys"),
                "userinfo_endpoint": format!("{issuer}/userinfo"),
            });
            (200, replaced(document, &state.document))
        }
        "/keys" => (200, json!({ "keys": [{ "kty": "unknown" }, public_key(state)] })),
        "/userinfo" => (200, state.user_information.clone()),
        "/token" => exchange(&pairs(body), state, issuer),
        _ => (404, json!({})),
    }
}

fn exchange(form: &HashMap<String, String>, state: &mut State, issuer: &str) -> (u16, Value) {
    let asked = form.get("code").and_then(|code| state.codes.remove(code));
    let Some(asked) = asked else { return (400, json!({ "error": "invalid_grant" })) };
    let verifier = form.get("code_verifier").map(String::as_str).unwrap_or_default();
    let challenge = base64url(ring::digest::digest(&ring::digest::SHA256, verifier.as_bytes()).as_ref());
    if asked.get("code_challenge") != Some(&challenge)
        || asked.get("redirect_uri") != form.get("redirect_uri")
    {
        return (400, json!({ "error": "invalid_grant" }));
    }
    let token = id_token(&asked, state, issuer);
    (200, json!({ "id_token": token, "access_token": "access", "token_type": "Bearer" }))
}

fn id_token(asked: &HashMap<String, String>, state: &State, issuer: &str) -> String {
    let now = std::time::UNIX_EPOCH.elapsed().map(|time| time.as_secs()).unwrap_or_default();
    let claims = json!({
        "iss": issuer,
        "sub": "248289761001",
        "aud": asked.get("client_id"),
        "nonce": asked.get("nonce"),
        "iat": now,
        "exp": now + 300,
    });
    let header = replaced(json!({ "alg": "ES256", "kid": state.key_id, "typ": "JWT" }), &state.header);
    let claims = replaced(claims, &state.claims);
    let [header, claims] = [header, claims].map(|part| base64url(part.to_string().as_bytes()));
    let signed = format!("{header}.{claims}");
    let made = state.key.sign(&SystemRandom::new(), signed.as_bytes()).map(|made| made.as_ref().to_vec());
    let signature = state.signature.clone().or(made.ok()).unwrap_or_default();
    format!("{signed}.{}", base64url(&signature))
}

fn public_key(state: &State) -> Value {
    let point = state.key.public_key().as_ref();
    let (x, y) = (base64url(&point[1..33]), base64url(&point[33..]));
    json!({ "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": state.key_id, "x": x, "y": y })
}

fn replaced(mut object: Value, by: &Value) -> Value {
    for (name, value) in by.as_object().into_iter().flatten() {
        object[name] = value.clone();
        if value.is_null()
            && let Some(object) = object.as_object_mut()
        {
            object.remove(name);
        }
    }
    object
}

/// The parameters of a query or a form.
fn pairs(text: &str) -> HashMap<String, String> {
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (decoded(name), decoded(value))).collect()
}

fn decoded(text: &str) -> String {
    let (mut bytes, mut out) = (text.bytes(), Vec::new());
    while let Some(byte) = bytes.next() {
        let digit =
            |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16)).unwrap_or_default();
        match byte {
            b'+' => out.push(b' '),
            b'%' => {
                let (high, low) = (digit(bytes.next()), digit(bytes.next()));
                out.push(u8::try_from(high * 16 + low).unwrap_or_default());
            }
            other => out.push(other),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn base64url(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let word =
            chunk.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..=chunk.len() {
            out.push(char::from(DIGITS[(word >> (18 - 6 * place) & 63) as usize]));
        }
    }
    out
}
