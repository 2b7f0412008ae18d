// TLS from end to end, with certificates made here.
#include "serve/transport.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "base/scratch_directory.h"
#include "serve/http_testing.h"

namespace facet::serve::testing {
namespace {

template <typename Object, void (*free_object)(Object*)>
struct Freed {
    void operator()(Object* object) const { free_object(object); }
};
template <typename Object, void (*free_object)(Object*)>
using Owned = std::unique_ptr<Object, Freed<Object, free_object>>;
using Key = Owned<EVP_PKEY, EVP_PKEY_free>;

Key make_key() { return Key(EVP_EC_gen("P-256")); }

// A certificate for "localhost" that the key has signed itself.
void write_certificate(const std::string& path, EVP_PKEY* key) {
    const Owned<X509, X509_free> certificate(X509_new());
    X509_set_version(certificate.get(), X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -60);
    X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 3600);
    X509_set_pubkey(certificate.get(), key);
    X509_NAME* name = X509_get_subject_name(certificate.get());
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>("localhost"), -1, -1, 0);
    X509_set_issuer_name(certificate.get(), name);
    ASSERT_GT(X509_sign(certificate.get(), key, EVP_sha256()), 0);
    FILE* file = std::fopen(path.c_str(), "w");
    PEM_write_X509(file, certificate.get());
    std::fclose(file);
}

void write_key(const std::string& path, EVP_PKEY* key, const char* passphrase = nullptr) {
    FILE* file = std::fopen(path.c_str(), "w");
    const int bytes = passphrase == nullptr ? 0 : static_cast<int>(std::strlen(passphrase));
    PEM_write_PrivateKey(file, key, passphrase == nullptr ? nullptr : EVP_aes_128_cbc(),
                         reinterpret_cast<const unsigned char*>(passphrase), bytes, nullptr,
                         nullptr);
    std::fclose(file);
}

class TlsClient {
  public:
    explicit TlsClient(uint16_t port, int version_max = TLS1_3_VERSION)
        : socket_(port), context_(SSL_CTX_new(TLS_client_method())) {
        SSL_CTX_set_max_proto_version(context_.get(), version_max);
        // To offer what the server must not take.
        SSL_CTX_set_security_level(context_.get(), 0);
        ssl_.reset(SSL_new(context_.get()));
        SSL_set_fd(ssl_.get(), socket_.descriptor());
        connected_ = SSL_connect(ssl_.get()) == 1;
    }
    bool connected() const { return connected_; }
    std::string version() const { return SSL_get_version(ssl_.get()); }
    // Sends, and reads to the end of the connection, which must be TLS's own.
    std::string ask_to_end(std::string_view request) {
        SSL_write(ssl_.get(), request.data(), static_cast<int>(request.size()));
        std::string all;
        char buffer[4096];
        int got = 0;
        while ((got = SSL_read(ssl_.get(), buffer, sizeof(buffer))) > 0) {
            all.append(buffer, static_cast<size_t>(got));
        }
        EXPECT_EQ(SSL_get_error(ssl_.get(), got), SSL_ERROR_ZERO_RETURN);
        return all;
    }
    void abort() { socket_.abort(); }

  private:
    TestClient socket_;
    Owned<SSL_CTX, SSL_CTX_free> context_;
    Owned<SSL, SSL_free> ssl_;
    bool connected_ = false;
};

class Tls : public ::testing::Test {
  protected:
    Tls() {
        const Key key = make_key();
        write_certificate(certificate_, key.get());
        write_key(key_, key.get());
    }
    std::unique_ptr<HttpServer> start(Router router) {
        HttpServerOptions options;
        options.tls_certificate = certificate_;
        options.tls_key = key_;
        options.limits.header_timeout = milliseconds(2000);
        options.limits.linger_timeout = milliseconds(100);
        return start_server(std::move(router), options);
    }

    const ScratchDirectory folder_;
    const std::string certificate_ = folder_.file("certificate.pem");
    const std::string key_ = folder_.file("key.pem");
};

TEST_F(Tls, ServesAnswersAndStreams) {
    Router router = small_router();
    router.add("GET", "/stream", [](Request, Responder responder) {
        auto stream = responder.start_stream();
        stream->send_event("a");
        stream->send_event("b");
        stream->finish();
    });
    const auto server = start(std::move(router));
    EXPECT_TRUE(server->urls()[0].starts_with("https://127.0.0.1:"));
    TlsClient client(server->port());
    ASSERT_TRUE(client.connected());
    EXPECT_EQ(client.version(), "TLSv1.3");
    const std::string large(1 << 20, 'x');
    const std::string all = client.ask_to_end(get("/hello") + post("/echo", large) +
                                              get("/stream", "Connection: close\r\n"));
    EXPECT_NE(all.find("hello"), std::string::npos);
    EXPECT_NE(all.find(large), std::string::npos);
    EXPECT_NE(all.find("data: a\n\ndata: b\n\n"), std::string::npos);
    EXPECT_TRUE(all.ends_with("0\r\n\r\n"));
    TlsClient old(server->port(), TLS1_2_VERSION);
    ASSERT_TRUE(old.connected());
    EXPECT_TRUE(old.ask_to_end("GET /stream HTTP/1.0\r\n\r\n").ends_with("data: b\n\n"));
}

TEST_F(Tls, RefusesWhatIsNoTlsOrTooOld) {
    const auto server = start(small_router());
    EXPECT_FALSE(TlsClient(server->port(), TLS1_1_VERSION).connected());
    TestClient plain(server->port());
    plain.send(get("/hello"));
    EXPECT_EQ(plain.receive_all().find("HTTP/1.1"), std::string::npos);
    TlsClient client(server->port());
    EXPECT_NE(client.ask_to_end(get("/hello", "Connection: close\r\n")).find("hello"),
              std::string::npos);
}

TEST_F(Tls, ForgetsClientsThatLeaveOrNeverSpeak) {
    const auto server = start(small_router());
    TestClient silent(server->port());
    for (int i = 0; i < 50; ++i) {
        TlsClient client(server->port());
        ASSERT_TRUE(client.connected());
        if (i % 2 == 0) client.abort();
    }
    EXPECT_TRUE(eventually([&] { return server->counters().connections_open == 0; }));
    EXPECT_EQ(server->counters().connections_accepted, 51u);
}

TEST_F(Tls, SaysWhichFileIsWrong) {
    const auto told = [](const std::string& certificate, const std::string& key) {
        const auto server = TlsServer::load(certificate, key);
        return server.ok() ? "" : server.error().message;
    };
    EXPECT_EQ(told(certificate_, key_), "");
    EXPECT_NE(told(folder_.file("none"), key_).find("--tls-certificate: '" + folder_.file("none")),
              std::string::npos);
    EXPECT_NE(told(key_, key_).find("--tls-certificate"), std::string::npos);
    EXPECT_NE(told(certificate_, folder_.file("none")).find("--tls-key"), std::string::npos);
    const std::string other = folder_.file("other.pem"), locked = folder_.file("locked.pem");
    write_key(other, make_key().get());
    write_key(locked, make_key().get(), "passphrase");
    EXPECT_NE(told(certificate_, other).find("--tls-key: '" + other), std::string::npos);
    EXPECT_NE(told(certificate_, locked).find("--tls-key: '" + locked), std::string::npos);
    HttpServerOptions half;
    half.tls_key = key_;
    EXPECT_FALSE(HttpServer::start(std::move(half), Router()).ok());
}

}  // namespace
}  // namespace facet::serve::testing
