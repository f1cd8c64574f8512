"""The server for other agents: tools and resources of the Model Context Protocol, over stdio and HTTP.

`catalog` names the tools; `tools_runs`, `tools_models` and `tools_past` do what they say; `desk` keeps what is being
worked on; `server` binds all of it to the protocol's own library, which `call` alone speaks to in mid-call.
"""
