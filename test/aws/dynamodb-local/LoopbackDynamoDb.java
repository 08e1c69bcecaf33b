import java.lang.reflect.Field;
import java.util.Arrays;
import java.util.stream.Stream;
import org.eclipse.jetty.server.Connector;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import software.amazon.dynamodb.services.local.main.ServerRunner;
import software.amazon.dynamodb.services.local.server.DynamoDBProxyServer;

/**
 * DynamoDB Local in memory, on the loopback address instead of every interface, on a free port unless an option names one; it ends with
 * the process that started it.
 */
public final class LoopbackDynamoDb {
  public static void main(String[] options) throws Exception {
    ProcessHandle.current().parent().ifPresent(parent -> parent.onExit().thenRun(() -> System.exit(0)));
    Stream<String> ours = Stream.of("-inMemory", "-disableTelemetry").filter(option -> !Arrays.asList(options).contains(option));
    DynamoDBProxyServer database = ServerRunner.createServerFromCommandLineArgs(Stream.concat(ours, Stream.of(options)).toArray(String[]::new));
    ServerConnector connector = (ServerConnector) connectorOf(database);
    connector.setHost("127.0.0.1");
    if (!Arrays.asList(options).contains("-port")) connector.setPort(0);
    database.start();
    System.out.println("listening on http://127.0.0.1:" + connector.getLocalPort());
    database.join();
  }

  private static Connector connectorOf(DynamoDBProxyServer database) throws ReflectiveOperationException {
    Field jetty = DynamoDBProxyServer.class.getDeclaredField("server");
    jetty.setAccessible(true);
    return ((Server) jetty.get(database)).getConnectors()[0];
  }
}
