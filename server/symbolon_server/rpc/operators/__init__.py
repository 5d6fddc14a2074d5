"""The services for operators and pipelines: ModuleService and StoreService.

GetModule, ExplainFrame, ListMissingModules and GetQueue tell what the servers know of modules.
PrefetchModules and InvalidateModules change it, for all servers, and need the permission
`operate`. GetStoreInfo tells how the tiers and both Redis servers are doing.

Each function validates its request, calls one function of the floor below and encodes plain
values into messages. There is no logic here.

Rules: these calls share the threads and limits of all others. While the cache is down,
GetStoreInfo and ExplainFrame tell what they can; the others fail with UNAVAILABLE and the time
after which to retry.
"""
