// A consumer that uses npm's jose and knows an issuer's URL and an audience, nothing else.
// It verifies each token that it reads, a line each, and answers with a line of JSON.
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const [jose, issuer, audience] = process.argv.slice(2);
const { createRemoteJWKSet, jwtVerify } = await import(pathToFileURL(jose));

const found = await fetch(`${issuer}/.well-known/oauth-authorization-server`);
const metadata = await found.json();
if (metadata.issuer !== issuer) throw new Error("the metadata is of another issuer");
const keys = createRemoteJWKSet(new URL(metadata.jwks_uri));
const options = { issuer, audience, typ: "at+jwt", algorithms: ["ES256", "RS256", "EdDSA"] };

for await (const token of createInterface({ input: process.stdin })) {
  const answer = await jwtVerify(token, keys, options).then(
    ({ payload, protectedHeader }) => ({ sub: payload.sub, alg: protectedHeader.alg }),
    (error) => ({ error: error.code }),
  );
  console.log(JSON.stringify(answer));
}
