// The extension protocol of osquery 5, as its C++ side declares it: the names, types and field numbers are the
// wire format. `make generate` turns this file into the package beside it, gen/.

namespace py osquery_sdk.wire.gen

typedef map<string, string> PluginRequest
// Values are bytes: a BLOB need not be UTF-8.
typedef list<map<string, binary>> PluginResponse

struct InternalOptionInfo {
  1: string value,
  2: string default_value,
  3: string type,
}

struct InternalExtensionInfo {
  1: string name,
  2: string version,
  3: string sdk_version,
  4: string min_sdk_version,
}

struct ExtensionStatus {
  1: i32 code,
  2: string message,
  3: i64 uuid,
}

struct ExtensionResponse {
  1: ExtensionStatus status,
  2: PluginResponse response,
}

service Extension {
  ExtensionStatus ping(),
  ExtensionResponse call(1: string registry, 2: string item, 3: PluginRequest request),
  void shutdown(),
}

service ExtensionManager extends Extension {
  map<i64, InternalExtensionInfo> extensions(),
  map<string, InternalOptionInfo> options(),
  ExtensionStatus registerExtension(1: InternalExtensionInfo info, 2: map<string, map<string, PluginResponse>> registry),
  ExtensionStatus deregisterExtension(1: i64 uuid),
  ExtensionResponse query(1: string sql),
  ExtensionResponse getQueryColumns(1: string sql),
}
