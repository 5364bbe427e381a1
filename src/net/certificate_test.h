/* For tests: certificates made on the spot, in files of a scratch folder. */
#ifndef NET_CERTIFICATE_TEST_H
#define NET_CERTIFICATE_TEST_H

#include <assert.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct certificate {
    char folder[64];
    char certificate[96]; /* PEM file */
    char key[96];         /* PEM file */
};

static inline void certificate_extend(X509 *x, int nid, const char *value) {
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    assert(extension != NULL);
    X509_add_ext(x, extension, -1);
    X509_EXTENSION_free(extension);
}

/* Self-signed, so that it is its own CA. names: "DNS:localhost,IP:127.0.0.1". valid_s: seconds from now,
 * negative for an expired one. */
static inline void certificate_make(struct certificate *c, const char *names, long valid_s) {
    snprintf(c->folder, sizeof c->folder, "/tmp/settle-test-XXXXXX");
    char *made = mkdtemp(c->folder);
    assert(made != NULL);
    snprintf(c->certificate, sizeof c->certificate, "%s/certificate.pem", c->folder);
    snprintf(c->key, sizeof c->key, "%s/key.pem", c->folder);
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = X509_new();
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), -86400);
    X509_gmtime_adj(X509_getm_notAfter(x), valid_s);
    X509_NAME *name = X509_get_subject_name(x);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"settle test", -1, -1, 0);
    X509_set_issuer_name(x, name);
    X509_set_pubkey(x, key);
    certificate_extend(x, NID_basic_constraints, "critical,CA:TRUE");
    certificate_extend(x, NID_subject_alt_name, names);
    int signed_bytes = X509_sign(x, key, EVP_sha256());
    assert(signed_bytes > 0);
    FILE *f = fopen(c->certificate, "w");
    PEM_write_X509(f, x);
    fclose(f);
    f = fopen(c->key, "w");
    PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL);
    fclose(f);
    X509_free(x);
    EVP_PKEY_free(key);
}

static inline void certificate_drop(struct certificate *c) {
    unlink(c->certificate);
    unlink(c->key);
    rmdir(c->folder);
}

#endif
