// SPDX-License-Identifier: Apache-2.0
// The only file that knows CLI11: options and commands.
#include "cli/parser.hpp"

#include <fmt/format.h>
#include <functional>
#include <map>

#include <CLI/CLI.hpp>

#include "base/text.hpp"
#include "base/version.hpp"
#include "cli/commands.hpp"
#include "cli/output.hpp"

namespace detent::cli {
namespace {

class Parser {
 public:
  Parser() {
    app_.require_subcommand(1);
    app_.set_version_flag("-V,--version", fmt::format("detent {}", kVersion));
    app_.fallthrough();
    app_.add_flag("-J,--json", globals_.json, "Print one JSON document to stdout and nothing else");
    app_.add_flag("-q,--quiet", globals_.quiet, "Print nothing but errors and what was asked for");
    app_.add_flag("-v,--verbose", globals_.verbose, "Print more");
    app_.add_option("-P,--plugin-path", globals_.plugin_path, "Look for plugins in this folder too")
        ->type_name("FOLDER")
        ->expected(1)
        ->take_all();
    app_.footer(
        "Exit codes: 0 success, 1 unexpected, 2 configuration or usage, 3 quantization, 4 "
        "validation,\n5 input or output, 6 plugin, 130/143 interrupted.");
    add_pipeline_commands();
    add_plugin_commands();
    add_model_commands();
  }

  int run(int argc, char** argv) {
    try {
      app_.parse(argc, argv);
    } catch (const CLI::ParseError& e) {
      if (e.get_exit_code() == 0) return app_.exit(e);  // --help, --version
      throw Error(ErrorCode::config, e.what(), usage_hint(argc, argv));
    }
    return action_();
  }

 private:
  CLI::App* command(CLI::App& parent, const char* name, const char* help,
                    std::function<int()> action) {
    CLI::App* sub = parent.add_subcommand(name, help);
    sub->fallthrough();
    sub->callback([this, action = std::move(action)] { action_ = action; });
    return sub;
  }

  CLI::App* group(const char* name, const char* help) {
    CLI::App* sub = app_.add_subcommand(name, help);
    sub->fallthrough();
    sub->require_subcommand(1);
    return sub;
  }

  void add_pipeline_options(CLI::App* sub) {
    sub->add_option("config", pipeline_.config, "The pipeline file")
        ->required()
        ->type_name("CONFIG");
    sub->add_option("-s,--set", pipeline_.set, "Override one value: /json/pointer=value")
        ->type_name("POINTER=VALUE")
        ->expected(1)
        ->take_all();
    sub->add_flag("-S,--strict", pipeline_.strict, "Treat warnings as errors");
  }

  void add_pipeline_commands() {
    CLI::App* sub = command(app_, "run", "Quantize a model as a pipeline file says",
                            [this] { return cli::run(globals_, pipeline_); });
    add_pipeline_options(sub);
    add_resources(sub);
    sub->add_flag("-f,--overwrite", pipeline_.overwrite, "Replace outputs that exist");
    sub->add_option("--state", pipeline_.states,
                    "Use the states that observe wrote instead of calibration data; several are "
                    "merged")
        ->type_name("FOLDER")
        ->delimiter(',')
        ->expected(1)
        ->take_all();
    add_trust(sub);
    add_progress(sub);
    sub = command(app_, "plan", "Show what run would do, without reading weights",
                  [this] { return cli::plan(globals_, pipeline_); });
    add_pipeline_options(sub);
    add_resources(sub);
    add_trust(sub);
    add_observe();
    CLI::App* config = group("config", "Check a pipeline file, or print its JSON Schema");
    add_pipeline_options(command(*config, "check", "Report every mistake of a pipeline file",
                                 [this] { return cli::config_check(globals_, pipeline_); }));
    command(*config, "schema",
            "Print the JSON Schema, with the parameters of every installed plugin",
            [this] { return cli::config_schema(globals_); });
  }

  void add_resources(CLI::App* sub) {
    sub->add_option("-j,--threads", pipeline_.threads, "Threads to use; 0: all")->type_name("N");
    sub->add_option("--memory-limit", pipeline_.memory_limit,
                    "Bytes that the run may take, with a unit if you like: 256MiB")
        ->transform(CLI::AsSizeValue(true))
        ->type_name("SIZE");
  }

  void add_trust(CLI::App* sub) {
    sub->add_flag("--trust-model", pipeline_.trust_model, "Run the model's code without a sandbox");
  }

  void add_progress(CLI::App* sub) {
    const std::map<std::string, ProgressAs> ways = {
        {"bar", ProgressAs::bar}, {"json", ProgressAs::json}, {"none", ProgressAs::none}};
    sub->add_option("-g,--progress", pipeline_.progress,
                    "bar (on a terminal), json (one document a line on stderr) or none")
        ->transform(CLI::CheckedTransformer(ways))
        ->option_text("bar|json|none");
  }

  void add_observe() {
    CLI::App* sub = command(app_, "observe",
                            "Calibrate alone: run the model on the data, keep what observers saw",
                            [this] { return cli::observe(globals_, pipeline_); });
    add_pipeline_options(sub);
    sub->add_option("--state", pipeline_.states, "Folder to write the states to")
        ->required()
        ->type_name("FOLDER")
        ->expected(1);
    sub->add_option("--shard", pipeline_.shard, "Part i of n of the data only: 1/2")
        ->type_name("I/N");
    sub->add_option("-j,--threads", pipeline_.threads, "Threads to use; 0: all")->type_name("N");
    sub->add_flag("-f,--overwrite", pipeline_.overwrite, "Replace states that exist");
    add_trust(sub);
    add_progress(sub);
  }

  void add_plugin_commands() {
    CLI::App* plugins = group("plugins", "List, show, try, check and start plugins");
    command(*plugins, "list", "What is installed, and from where",
            [this] { return cli::plugins_list(globals_); });
    command(*plugins, "show", "One plugin's description and parameters",
            [this] { return cli::plugins_show(globals_, id_); })
        ->add_option("id", id_, "Id, alias or file")
        ->required()
        ->type_name("ID");
    CLI::App* sub =
        command(*plugins, "try", "Feed the tensors of a file to an observer or quantizer",
                [this] { return cli::plugins_try(globals_, try_); });
    sub->add_option("id", try_.id, "Id or alias")->required()->type_name("ID");
    sub->add_option("-d,--data", try_.data,
                    "A safetensors file; its tensors are used in name order")
        ->required()
        ->type_name("FILE");
    sub->add_option("-p,--params", try_.params, "The plugin's parameters")->type_name("JSON");
    sub->add_option(
           "-t,--target", try_.target,
           "Observers: the quantization target, {\"dtype\": \"int8\", \"symmetric\": false, "
           "\"granularity\": \"per_tensor\", \"axis\": 0, \"group_size\": 0, \"qmin\": -128, "
           "\"qmax\": 127}")
        ->type_name("JSON");
    sub->add_option("--html", try_.html, "Observers: write a page with the histogram and the range")
        ->type_name("FILE");
    add_check(*plugins);
    add_new(*plugins);
  }

  void add_new(CLI::App& plugins) {
    CLI::App* sub = command(plugins, "new", "Write a project for a plugin of your own",
                            [this] { return cli::plugins_new(globals_, new_); });
    sub->add_option("kind", new_.kind, "observer, quantizer, serializer or validator")
        ->required()
        ->type_name("KIND");
    sub->add_option("name", new_.name, "Of the library and of its files: a-z, 0-9 and _")
        ->required()
        ->type_name("NAME");
    sub->add_option("-l,--lang", new_.lang, "c++, c or rust")->type_name("LANGUAGE");
    sub->add_option("--id", new_.id, "What configurations name; org.example.NAME unless given")
        ->type_name("ID");
    sub->add_option("--vendor", new_.vendor, "Who makes it")->type_name("NAME");
    sub->add_option("--folder", new_.folder, "Where to; ./NAME unless given")->type_name("FOLDER");
  }

  void add_check(CLI::App& plugins) {
    CLI::App* sub = command(plugins, "check", "Test a plugin library against the rules of the ABI",
                            [this] { return cli::plugins_check(globals_, check_); });
    sub->add_option("file", check_.file, "The library, name.detent.so")->type_name("FILE");
    sub->add_option("--id", check_.id, "Test this plugin of the file alone")->type_name("ID");
    sub->add_option("--only", check_.only, "Run the cases whose names match: 'observer.*'")
        ->type_name("PATTERN");
    sub->add_option("-p,--params", check_.params, "The plugin's parameters; defaults are filled in")
        ->type_name("JSON");
    sub->add_option("--junit", check_.junit, "Write the results as JUnit's XML")->type_name("FILE");
    sub->add_option("--seed", check_.seed, "Of the random data; the same seed is the same run")
        ->type_name("N");
    sub->add_option("--timeout", check_.timeout_s, "Seconds that a case may take")->type_name("S");
    sub->add_flag("--list", check_.list, "Say what is tested, without a library");
    sub->add_flag("--in-process", check_.in_process,
                  "Run the cases in this process, for a debugger: a crash ends it");
  }

  void add_model_commands() {
    CLI::App* sub = command(app_, "inspect", "Tensors, types and quantization of a model",
                            [this] { return cli::inspect(globals_, first_); });
    sub->add_option("model", first_, "A .safetensors file or a Hugging Face folder")->required();
    sub = command(app_, "compare", "A model and its quantized form, worst tensor first",
                  [this] { return cli::compare(globals_, first_, second_); });
    sub->add_option("original", first_)->required();
    sub->add_option("quantized", second_)->required();
    sub = command(app_, "dequantize", "Turn a quantized file into float weights again", [this] {
      return cli::dequantize(globals_, first_, second_, pipeline_.overwrite);
    });
    sub->add_option("quantized", first_)->required();
    sub->add_option("out", second_)->required();
    sub->add_flag("-f,--overwrite", pipeline_.overwrite, "Replace the output if it exists");
    sub = command(app_, "verify", "Check a quantized file against its own record of itself",
                  [this] { return cli::verify(globals_, first_); });
    sub->add_option("quantized", first_)->required();
    sub = command(app_, "report", "Make the HTML report again from report.json",
                  [this] { return cli::report(globals_, first_); });
    sub->add_option("folder", first_, "The folder that holds report.json")->required();
    command(app_, "doctor", "What this build and this machine can do",
            [this] { return cli::doctor(globals_); });
  }

  std::string usage_hint(int argc, char** argv) const {
    std::vector<std::string> names;
    for (const CLI::App* sub : app_.get_subcommands([](const CLI::App*) { return true; }))
      names.push_back(sub->get_name());
    const std::string first = argc > 1 ? argv[1] : "";
    const bool known = std::find(names.begin(), names.end(), first) != names.end();
    const std::string near = known ? "" : nearest_name(first, names);
    if (!near.empty()) return fmt::format("did you mean \"detent {}\"?", near);
    return known ? fmt::format("see detent {} --help", first) : "see detent --help";
  }

  CLI::App app_{"Quantize models through plugins.", "detent"};
  Globals globals_;
  PipelineOptions pipeline_;
  TryOptions try_;
  NewOptions new_;
  CheckPluginOptions check_;
  std::string id_;
  std::filesystem::path first_;
  std::filesystem::path second_;
  std::function<int()> action_;
};

}  // namespace

int parse_and_run(int argc, char** argv) { return Parser().run(argc, argv); }

}  // namespace detent::cli
