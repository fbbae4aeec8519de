// An OpenID Connect provider for the tests of the console, on the loopback.
//
//     provider.mjs PORT REDIRECT_ADDRESS CLIENT_SECRET
//
// Its own pages accept any name with any password. Whose name begins with a role is in the group of that role.
import { randomBytes } from "node:crypto";
import Provider from "oidc-provider";

const [, , port, redirectAddress, secret] = process.argv;
const ROLES = ["support", "operator", "auditor"];

const provider = new Provider(`http://localhost:${port}`, {
  clients: [{ client_id: "padan", client_secret: secret, redirect_uris: [redirectAddress], post_logout_redirect_uris: [redirectAddress] }],
  claims: { openid: ["sub"], profile: ["preferred_username", "groups"] },
  pkce: { required: () => true },
  cookies: { keys: [randomBytes(32).toString("hex")] },
  findAccount: (context, id) => ({
    accountId: id,
    claims: () => ({
      sub: id,
      preferred_username: `${id} of the bank`,
      groups: ["staff", ...ROLES.filter(role => id.startsWith(role)).map(role => `padan-${role}s`)],
    }),
  }),
});
provider.listen(Number(port), "127.0.0.1");
