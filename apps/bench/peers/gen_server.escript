#!/usr/bin/env escript
%%! +S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none
%% Erlang's own request with a timeout: gen_server:call with its 5 seconds, no pattern around it.
%% One scheduler, as ours has one worker; it doesn't spin where it has nothing to do, for then it is our turn.
-module(gen_server_peer).
-mode(compile).
-behaviour(gen_server).
-export([main/1, init/1, handle_call/3, handle_cast/2]).

%% A call blocks its process: 256 of them keep as many in flight as our 64 callers with 4 each.
-define(CLIENTS, 256).

main(_) ->
    {ok, Server} = gen_server:start_link(?MODULE, [], []),
    io:format("ready~n"),
    serve(Server).

%% Answers each line, a number of calls, with the nanoseconds for one.
serve(Server) ->
    case io:get_line("") of
        eof ->
            ok;
        Line ->
            Calls = list_to_integer(string:trim(Line)),
            io:format("~.3f~n", [nanoseconds_per_call(Server, max(1, Calls div ?CLIENTS))]),
            serve(Server)
    end.

nanoseconds_per_call(Server, Each) ->
    Judge = self(),
    Clients = [spawn_link(fun() -> client(Server, Judge, Each) end) || _ <- lists:seq(1, ?CLIENTS)],
    Begin = erlang:monotonic_time(nanosecond),
    [Client ! start || Client <- Clients],
    [receive {done, Client} -> ok end || Client <- Clients],
    (erlang:monotonic_time(nanosecond) - Begin) / (Each * ?CLIENTS).

client(Server, Judge, Calls) ->
    receive start -> ok end,
    call(Server, Calls),
    Judge ! {done, self()}.

call(_, 0) ->
    ok;
call(Server, Left) ->
    2 = gen_server:call(Server, 1),
    call(Server, Left - 1).

%% The target.

init([]) ->
    {ok, none}.

handle_call(X, _, State) ->
    {reply, X + 1, State}.

handle_cast(_, State) ->
    {noreply, State}.
