#include "cli/vault_flags.h"

#include <CLI/CLI.hpp>

#include "cli/passphrase.h"
#include "cli/platform_note.h"
#include "openssl/openssl_crypto.h"
#include "posix/process_hardening.h"

namespace attune {
namespace {

Result<std::unique_ptr<DefaultPlatform>> Opened(const PlatformOptions& options) {
  ATTUNE_ASSIGN_OR_RETURN(auto platform, DefaultPlatform::Open(options));
  PrintNote(*platform);
  return platform;
}

}  // namespace

AdaptationOptions VaultFlags::without_model() const {
  AdaptationOptions options;
  options.vault = directory;
  options.create_vault = false;
  options.adapter = adapter;
  return options;
}

CLI::Option* AddVaultFlags(CLI::App* app, VaultFlags* flags) {
  CLI::Option* vault = app->add_option("--vault", flags->directory, "Directory of sealed files");
  AddKeyFlags(app, flags);
  app->get_option("--keys")->needs(vault);
  app->get_option("--passphrase-file")->needs(vault);
  app->add_option("--adapter-name", flags->adapter, "Which of the vault's adapters")
      ->capture_default_str()
      ->needs(vault);
  return vault;
}

void AddKeyFlags(CLI::App* app, VaultFlags* flags) {
  app->add_option("--keys", flags->keys,
                  "Directory of the vault's key; default: the user's, ~/.config/attune/keys");
  app->add_option("--passphrase-file", flags->passphrase_file,
                  "The key is under the passphrase in the first line of this file; -: of the "
                  "standard input");
}

void AddPolicyFlags(CLI::App* app, ExamplePolicy* policy) {
  app->add_option("--max-duplicates", policy->max_duplicates,
                  "Store at most so many equal examples a day; 0: any number")
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{1} << 40))
      ->capture_default_str();
  AddRetentionFlags(app, policy);
}

void AddRetentionFlags(CLI::App* app, ExamplePolicy* policy) {
  app->add_option("--keep-days", policy->keep_days, "Drop older examples; 0: keep all")
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{1} << 20))
      ->capture_default_str();
  app->add_option("--keep-examples", policy->keep_examples, "Drop the oldest beyond; 0: keep all")
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{1} << 40))
      ->capture_default_str();
}

Result<std::unique_ptr<DefaultPlatform>> OpenVaultPlatform(const VaultFlags& flags, int workers) {
  PlatformOptions options;
  options.workers = workers;
  return OpenVaultPlatform(flags, options);
}

Result<std::unique_ptr<DefaultPlatform>> OpenVaultPlatform(const VaultFlags& flags,
                                                           PlatformOptions options) {
  ATTUNE_RETURN_IF_ERROR(ForbidCoreDumps());
  options.key_directory = flags.keys;
  if (flags.passphrase_file.empty()) return Opened(options);
  ATTUNE_ASSIGN_OR_RETURN(const auto crypto, OpensslCrypto::Create());
  ATTUNE_ASSIGN_OR_RETURN(const Secret passphrase, ReadPassphrase(*crypto, flags.passphrase_file));
  options.passphrase = passphrase.bytes();
  return Opened(options);
}

}  // namespace attune
