"""The services for operators and pipelines: ModuleService and StoreService.

GetModule, ExplainFrame, ListMissingModules and GetQueue report what the servers know about modules.
PrefetchModules and InvalidateModules change it, for all servers, and need the permission
`operate`. GetStoreInfo reports the state of the tiers and of both Redis servers.

Each function validates its request, calls one function of the floor below and encodes plain
values into messages. There is no logic here.

Rules: these calls share the threads and limits of all others. While the cache is down,
GetStoreInfo and ExplainFrame return what they can; the others fail with UNAVAILABLE and the time
after which to retry.
"""
