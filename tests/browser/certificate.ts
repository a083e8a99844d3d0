// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Certificates for servers of the tests'.
 *
 * @module
 */

import { createHash, X509Certificate } from "node:crypto";

/** A certificate, and its key, in PEM. */
export interface Certificate {
  readonly key: string;
  readonly cert: string;
  /** What Chromium's `--ignore-certificate-errors-spki-list` takes. */
  readonly fingerprint: string;
}

/** Makes a certificate for 127.0.0.1; rejects if there is no openssl. */
export async function makeCertificate(): Promise<Certificate> {
  const folder = await Deno.makeTempDir({ prefix: "certificate-" });
  try {
    const { success } = await new Deno.Command("openssl", {
      args: [
        ..."req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1".split(
          " ",
        ),
        ..."-nodes -days 2 -subj /CN=127.0.0.1".split(" "),
        ..."-addext subjectAltName=IP:127.0.0.1".split(" "),
        ..."-addext basicConstraints=critical,CA:FALSE".split(" "),
        ..."-keyout key.pem -out cert.pem".split(" "),
      ],
      cwd: folder,
      stderr: "null",
    }).output();
    if (!success) throw new Error("Cannot make a certificate: openssl fails");
    const [key, cert] = await Promise.all([
      Deno.readTextFile(`${folder}/key.pem`),
      Deno.readTextFile(`${folder}/cert.pem`),
    ]);
    const spki = new X509Certificate(cert).publicKey
      .export({ type: "spki", format: "der" });
    const fingerprint = createHash("sha256").update(spki).digest("base64");
    return { key, cert, fingerprint };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
