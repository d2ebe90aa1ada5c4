-- What a gateway in Lua does at its leanest: HMAC by FFI from OpenSSL, the claims by cjson.
local ffi = require "ffi"
local cjson = require "cjson.safe"
local find, sub, gsub, rep = string.find, string.sub, string.gsub, string.rep

ffi.cdef [[
typedef struct evp_md_st EVP_MD;
const EVP_MD *EVP_sha256(void);
unsigned char *HMAC(const EVP_MD *digest, const void *key, int key_len, const unsigned char *data, size_t len,
                    unsigned char *out, unsigned int *out_len);
]]
local crypto = ffi.C
local digest, digest_len = ffi.new("unsigned char[64]"), ffi.new("unsigned int[1]")

local function decoded(text)
    text = gsub(gsub(text, "-", "+"), "_", "/")
    local over = #text % 4
    if over > 0 then text = text .. rep("=", 4 - over) end
    return ngx.decode_base64(text)
end

local function reject(code, status)
    ngx.status = 401
    ngx.header.content_type = "application/json"
    ngx.print('{"code":"' .. code .. '","status":"' .. status .. '"}')
    return ngx.exit(401)
end

local gateway = {}

function gateway.check(secrets)
    local _, _, app = find(ngx.var.uri, "^/rtmsAPI/api/v1/app/([^/]+)/")
    local secret = app and secrets[app]
    if not secret then return reject("38", "Invalid token") end
    local authorization = ngx.var.http_authorization
    if not authorization or sub(authorization, 1, 7) ~= "Bearer " then return reject("39", "Token is required") end
    local _, _, head, claims, signature = find(authorization, "^([^.]+)%.([^.]+)%.([^.]+)$", 8)
    if not head then return reject("38", "Invalid token") end
    local header = cjson.decode(decoded(head) or "")
    if not header or header.alg ~= "HS256" then return reject("38", "Invalid token") end
    local signed = sub(authorization, 8, 8 + #head + #claims)
    crypto.HMAC(crypto.EVP_sha256(), secret, #secret, signed, #signed, digest, digest_len)
    if ffi.string(digest, 32) ~= decoded(signature) then return reject("38", "Invalid token") end
    local payload = cjson.decode(decoded(claims) or "")
    if not payload or payload.appId ~= app then return reject("38", "Invalid token") end
    if payload.exp and payload.exp < ngx.time() then return reject("40", "Token expired") end
end

return gateway
