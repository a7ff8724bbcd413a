"""The two Lua scripts that run inside Envoy. They move names between headers, path and message.

``NAME_FROM_PATH`` runs before the route is looked up, ``NAME_ON_THE_WIRE`` after the candidate was
chosen. Everything else (who answers, by what share) is configuration.
"""

from typing import Any, Final

MODEL_HEADER: Final = "seldon-model"
WIRE_HEADER: Final = "seldon-internal-model"
"""Set by the chosen candidate, read by :data:`NAME_ON_THE_WIRE`; a caller's own value is overwritten."""

NAME_FROM_PATH: Final = f"""\
-- A request without the header is routed by its path; the header wins where both are there.
function envoy_on_request(request)
  local headers = request:headers()
  if headers:get("{MODEL_HEADER}") ~= nil then return end
  local name = string.match(headers:get(":path"), "^/v2/models/([^/?]+)")
  if name ~= nil then headers:add("{MODEL_HEADER}", name) end
end
"""

NAME_ON_THE_WIRE: Final = f"""\
-- The server knows the model by another name than the caller: path and message are made to say it.
local UNARY = "^/inference%.GRPCInferenceService/Model"
local FRAME = 5 -- bytes before a gRPC message: compression flag, length

local function refuse(request, code, message)
  request:respond({{[":status"] = "200", ["content-type"] = "application/grpc",
                   ["grpc-status"] = code, ["grpc-message"] = message}})
end

local function u32(n)
  return string.char(math.floor(n / 16777216) % 256, math.floor(n / 65536) % 256,
                     math.floor(n / 256) % 256, n % 256)
end

local function varint(n) -- names are shorter than 2^14
  if n < 128 then return string.char(n) end
  return string.char(n % 128 + 128, math.floor(n / 128))
end

local function after_varint(bytes, at)
  local value, scale = 0, 1
  for i = at, at + 9 do
    local byte = string.byte(bytes, i)
    if byte == nil then return nil end
    value, scale = value + byte % 128 * scale, scale * 128
    if byte < 128 then return i + 1, value end
  end
end

-- Whether whole fields, and nothing else, make up the message: a last field that claims more bytes
-- than there are would swallow what is appended.
local function is_whole(bytes, at)
  while at ~= nil and at <= #bytes do
    local tag, length
    at, tag = after_varint(bytes, at)
    if at == nil then return false end
    local kind = tag % 8
    if kind == 0 then at = after_varint(bytes, at)
    elseif kind == 1 then at = at + 8
    elseif kind == 5 then at = at + 4
    elseif kind == 2 then
      at, length = after_varint(bytes, at)
      if at ~= nil then at = at + length end
    else return false end
  end
  return at == #bytes + 1
end

-- The last occurrence of a scalar protobuf field counts, so the name (field 1 of every message that
-- gets here) is appended and the fields of the caller's message stay as they are.
local function rename(request, model)
  local body = request:body()
  local bytes = body ~= nil and body:getBytes(0, body:length()) or ""
  if #bytes < FRAME then return refuse(request, "3", "a unary call carries one message") end
  local flag, a, b, c, d = string.byte(bytes, 1, FRAME)
  local length = ((a * 256 + b) * 256 + c) * 256 + d
  if flag ~= 0 then return refuse(request, "12", "compressed messages are not supported here") end
  if length ~= #bytes - FRAME or not is_whole(bytes, FRAME + 1) then
    return refuse(request, "3", "a unary call carries one whole message")
  end
  local name = "\\10" .. varint(#model) .. model
  body:setBytes("\\0" .. u32(length + #name) .. string.sub(bytes, FRAME + 1) .. name)
end

function envoy_on_request(request)
  local headers = request:headers()
  local model, path = headers:get("{WIRE_HEADER}"), headers:get(":path")
  if model == nil then return end
  if string.find(path, UNARY) then return rename(request, model) end
  local rest = string.match(path, "^/v2/models/[^/?]+(.*)$")
  if rest ~= nil then headers:replace(":path", "/v2/models/" .. model .. rest) end
end
"""

_LUA: Final = "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua"
_CODEC: Final = "type.googleapis.com/envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec"


def naming_filter() -> dict[str, Any]:
    """The listener's filter that names the model of a request that has no header."""
    return _lua(NAME_FROM_PATH)


def renaming_filters() -> list[dict[str, Any]]:
    """The filters between the choice of a candidate and its server."""
    codec = {"name": "envoy.filters.http.upstream_codec", "typed_config": {"@type": _CODEC}}
    return [_lua(NAME_ON_THE_WIRE), codec]


def _lua(script: str) -> dict[str, Any]:
    source = {"inline_string": script}
    return {
        "name": "envoy.filters.http.lua",
        "typed_config": {"@type": _LUA, "default_source_code": source},
    }
